// Queued spinlock: kernel/locking/qspinlock.c, on x86 since Linux 4.2 (a33fda35e3a7, with the pending bit of
// c1fb159db9f2), as it is since 4.20.
//
// The first CPU that finds the lock taken is *pending*, and waits on the lock's word. CPUs that come later queue (MCS):
// each waits on a node of its own, to which the CPU in front of it writes when its turn has come, and only the first of
// the queue looks at the lock's word. So a release moves one cache line to one CPU, however many wait, and they get the
// lock in the order in which they came. Only the lock's word says who holds it: a CPU needs its node only while it
// waits.
//
//   bit 0        HALTED   somebody may halt on this word, see spinlock.ts
//   bits 1..9    HOLDER   CPU number + 1 of who has it, 0 when free; in Linux a byte that is 1
//   bit 10       PENDING  the next to have it waits for that
//   bits 11..12  which of its nodes the last of the queue waits at: an interrupt that is answered by a CPU that waits
//                may take another lock, and waits at the next node
//   bits 13..21  CPU number + 1 of the last of the queue, 0 when nobody queues
//
// Linux writes the holder's byte, the pending byte and the tail each by itself where CPUs are few, so that a release is
// a plain store. A word is the smallest thing that is atomic here: parts of it are changed by addition or
// compare-and-swap, as Linux does where the parts are no bytes (`_Q_PENDING_BITS == 1`, 16k CPUs and more).

import { type Cpu, SPINS_BEFORE_HALT, cpuRelax, cpuWait, perCpuBase } from '../machine/cpu.ts'
import { bugOn } from '../machine/errors.ts'
import { PerCpu, QNODES, QNODE_WORDS } from '../machine/per-cpu.ts'

const HALTED = 1
const HOLDER_MASK = 0x3fe
const PENDING = 1 << 10
const NODE_SHIFT = 11
const TAIL_CPU_SHIFT = 13
const TAIL_MASK = -(1 << NODE_SHIFT)

// A node (`struct mcs_spinlock`): who comes next, by its node, and whether this one is the first of the queue.
const NEXT = 0
const FIRST = 1

/** `_Q_PENDING_LOOPS`: how often a CPU looks whether the pending CPU has taken the lock. */
const PENDING_LOOPS = 512

/** Takes the lock, in turn. Interrupts are answered meanwhile if they are enabled. */
export function queuedSpinLock(cpu: Cpu, lock: number): void {
  const value = Atomics.compareExchange(cpu.heap, lock, 0, (cpu.id + 1) << 1)
  if (value !== 0) queuedSpinLockSlow(cpu, lock, value)
}

/** Releases the lock. */
export function queuedSpinUnlock(cpu: Cpu, lock: number): void {
  const { heap } = cpu
  const tag = (cpu.id + 1) << 1
  const before = Atomics.sub(heap, lock, tag)
  bugOn((before & HOLDER_MASK) !== tag, `CPU ${cpu.id} releases a spinlock that it does not hold`)
  if ((before & HALTED) === 0) return
  Atomics.and(heap, lock, ~HALTED)
  // Wakes both the pending CPU and the first of the queue, which halts again.
  Atomics.notify(heap, lock)
}

/** `queued_spin_lock_slowpath`. The lock was found to be `found`, which is not free. */
function queuedSpinLockSlow(cpu: Cpu, lock: number, found: number): void {
  const { heap } = cpu
  const value = (found & ~HALTED) === PENDING ? awaitPending(cpu, lock, found) : found
  if ((value & (PENDING | TAIL_MASK)) === 0) {
    const before = Atomics.or(heap, lock, PENDING)
    if ((before & (PENDING | TAIL_MASK)) === 0) {
      waitForWord(cpu, lock, HOLDER_MASK)
      // This CPU holds the lock now and is no longer pending.
      Atomics.add(heap, lock, ((cpu.id + 1) << 1) - PENDING)
      return
    }
    // The last of the queue may have seen this bit; then it leaves the tail in place and waits for a successor. This
    // CPU becomes that successor, as it queues next.
    if ((before & PENDING) === 0) Atomics.and(heap, lock, ~PENDING)
  }
  queue(cpu, lock)
}

/** The lock is free and the pending CPU is about to take it: waits a moment until it has. Returns the word. */
function awaitPending(cpu: Cpu, lock: number, found: number): number {
  let value = found
  for (let spins = 0; spins < PENDING_LOOPS && (value & ~HALTED) === PENDING; spins++) {
    cpuRelax(cpu)
    value = Atomics.load(cpu.heap, lock)
  }
  return value
}

/** Waits until no bit of `mask` is set in the lock's word, and returns the word. Sets HALTED before it halts. */
function waitForWord(cpu: Cpu, lock: number, mask: number): number {
  const { heap } = cpu
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(heap, lock)
    if ((value & mask) === 0) return value
    bugOn((value & HOLDER_MASK) === (cpu.id + 1) << 1, `CPU ${cpu.id} takes a spinlock that it holds`)
    const marked = spins < SPINS_BEFORE_HALT || (value & HALTED) !== 0
    if (marked || Atomics.compareExchange(heap, lock, value, value | HALTED) === value) {
      cpuWait(cpu, lock, value | HALTED, spins)
    }
  }
}

function queue(cpu: Cpu, lock: number): void {
  const { heap, base } = cpu
  // Before the node is written: an interrupt that this CPU answers from here on uses the next node.
  const index = cpu.qnodesUsed++
  bugOn(index >= QNODES, `CPU ${cpu.id} waits for more than ${QNODES} spinlocks`)
  const node = base + PerCpu.qnodes + index * QNODE_WORDS
  heap[node + NEXT] = 0
  heap[node + FIRST] = 0
  const value = Atomics.load(heap, lock)
  // The lock may be free by now.
  if (value !== 0 || Atomics.compareExchange(heap, lock, 0, (cpu.id + 1) << 1) !== 0)
    takeInTurn(cpu, lock, node, ((cpu.id + 1) << TAIL_CPU_SHIFT) | (index << NODE_SHIFT), value)
  cpu.qnodesUsed = index
}

/** Queues at `node`, which `tail` stands for in the lock's word, and takes the lock when its turn has come. */
function takeInTurn(cpu: Cpu, lock: number, node: number, tail: number, found: number): void {
  const { heap } = cpu
  const before = exchangeTail(cpu, lock, tail, found)
  let next = 0
  if ((before & TAIL_MASK) !== 0) {
    handTo(cpu, nodeOfTail(cpu, before) + NEXT, node)
    awaitNonzero(cpu, node + FIRST)
    next = Atomics.load(heap, node + NEXT)
  }
  let value = waitForWord(cpu, lock, HOLDER_MASK | PENDING)
  while ((value & (PENDING | TAIL_MASK)) === tail) {
    // This CPU is also the last of the queue, and no CPU is pending: the queue becomes empty. HALTED goes too, as no
    // CPU can halt on this word.
    const seen = Atomics.compareExchange(heap, lock, value, (cpu.id + 1) << 1)
    if (seen === value) return
    value = seen
  }
  // Another CPU has queued behind this one, or is about to, having set PENDING in vain.
  Atomics.add(heap, lock, (cpu.id + 1) << 1)
  if (next === 0) next = awaitNonzero(cpu, node + NEXT)
  handTo(cpu, next + FIRST, 1)
}

/** `xchg_tail`: makes `tail` the last of the queue. Returns the word as it was. */
function exchangeTail(cpu: Cpu, lock: number, tail: number, found: number): number {
  for (let value = found; ;) {
    const seen = Atomics.compareExchange(cpu.heap, lock, value, (value & ~TAIL_MASK) | tail)
    if (seen === value) return seen
    value = seen
  }
}

/** `decode_tail`. */
function nodeOfTail(cpu: Cpu, value: number): number {
  const index = (value >> NODE_SHIFT) & (QNODES - 1)
  return perCpuBase(cpu.heap, (value >> TAIL_CPU_SHIFT) - 1) + PerCpu.qnodes + index * QNODE_WORDS
}

/** Writes a word for which one other CPU waits by {@link awaitNonzero}. */
function handTo(cpu: Cpu, word: number, value: number): void {
  Atomics.store(cpu.heap, word, value)
  Atomics.notify(cpu.heap, word, 1)
}

function awaitNonzero(cpu: Cpu, word: number): number {
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(cpu.heap, word)
    if (value !== 0) return value
    cpuWait(cpu, word, 0, spins)
  }
}

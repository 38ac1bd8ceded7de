// Calls to other CPUs: smp_call_function_many().
//
// A CPU makes one call at a time. Its bit in the mailbox of a target says that it waits for that target. The target
// executes the call and then clears the bit, in one atomic operation, which is the answer. A call that is not answered
// therefore stays in the mailbox. If the target's thread dies in between, another thread answers the call again in its
// place; that does no harm, since nobody uses the TLB of the dead thread.
//
// A caller that finds the target outside clears the bit itself. The target may have come back meanwhile and be working
// on the call: then the target clears the bit late, but never the bit of a later call. For the caller makes its next
// call only when the target has cleared the bit, which the target does once for each time that it has read it (it
// answers with interrupts disabled, so not within an answer), or when the caller has seen the target outside, where the
// target answers nothing. And if the caller repeats the same call, what the target has done for it is still right: the
// arguments are the same, and the translations were removed before.

import { CALL_FLUSH_TLB, CPU_FLUSH, CPU_INSIDE, CPU_INTERRUPT, type Cpu, cpuWait, perCpuBase } from './cpu.ts'
import { bugOn } from './errors.ts'
import { PerCpu } from './per-cpu.ts'

/**
 * Has every CPU whose bit is set in the `CPU_MASK_WORDS` words at `mask`, except this one, do `callFunction`, and waits
 * until each has answered. It does not wait for CPUs that are outside: they flush when they enter. Interrupts must be
 * enabled, or two CPUs that call each other would wait for ever.
 */
export function callFunctionMany(
  cpu: Cpu,
  mask: number,
  callFunction: number,
  root: number,
  start: number,
  end: number,
): void {
  bugOn(!cpu.interruptsEnabled, 'a call to other CPUs with interrupts disabled')
  const { heap, base } = cpu
  heap[base + PerCpu.callFunction] = callFunction
  heap[base + PerCpu.callRoot] = root
  heap[base + PerCpu.callStart] = start
  heap[base + PerCpu.callEnd] = end
  for (let word = 0; word * 32 < cpu.cpuCount; word++) {
    let bits = Atomics.load(heap, mask + word)
    let called = 0
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      const target = word * 32 + bit
      if (target !== cpu.id && sendCall(cpu, target)) called |= 1 << bit
    }
    cpu.called[word] = called
  }
  for (let word = 0; word * 32 < cpu.cpuCount; word++) {
    let bits = cpu.called[word]
    while (bits !== 0) {
      const bit = 31 - Math.clz32(bits & -bits)
      bits &= bits - 1
      waitForAnswer(cpu, word * 32 + bit)
    }
  }
}

/** When it returns, none of the CPUs of `mask` but this one has a translation of the pages [start, end) under `root`. */
export function flushTlbOfOthers(cpu: Cpu, mask: number, root: number, start: number, end: number): void {
  if (cpu.tlbBroadcast !== null) cpu.tlbBroadcast.flush(root, start, end)
  else callFunctionMany(cpu, mask, CALL_FLUSH_TLB, root, start, end)
}

/**
 * Has CPU `target` do `callFunction` if it is inside, and waits until it has. Returns false when it is outside; it then
 * flushes when it enters. Interrupts must be enabled.
 */
export function callFunctionSingle(cpu: Cpu, target: number, callFunction: number): boolean {
  bugOn(!cpu.interruptsEnabled, 'a call to another CPU with interrupts disabled')
  cpu.heap[cpu.base + PerCpu.callFunction] = callFunction
  if (!sendCall(cpu, target)) return false
  waitForAnswer(cpu, target)
  return true
}

/** Returns whether the target is inside and will answer. If not, it flushes when it enters. */
function sendCall(cpu: Cpu, target: number): boolean {
  const { heap } = cpu
  const targetBase = perCpuBase(heap, target)
  const mailbox = targetBase + PerCpu.mailbox + (cpu.id >> 5)
  const bit = 1 << (cpu.id & 31)
  for (;;) {
    const state = Atomics.load(heap, targetBase)
    if ((state & CPU_INSIDE) === 0) {
      if (Atomics.compareExchange(heap, targetBase, state, state | CPU_FLUSH) === state) return false
      continue
    }
    Atomics.or(heap, mailbox, bit)
    const before = Atomics.or(heap, targetBase, CPU_INTERRUPT)
    if ((before & CPU_INSIDE) !== 0) {
      const haltedOn = Atomics.load(heap, targetBase + PerCpu.haltedOn)
      if (haltedOn !== 0) Atomics.notify(heap, haltedOn)
      return true
    }
    // The target left before it could see the interrupt, and may stay outside for ever: take the call back.
    Atomics.and(heap, mailbox, ~bit)
  }
}

function waitForAnswer(cpu: Cpu, target: number): void {
  const { heap } = cpu
  const mailbox = perCpuBase(heap, target) + PerCpu.mailbox + (cpu.id >> 5)
  const bit = 1 << (cpu.id & 31)
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(heap, mailbox)
    if ((value & bit) === 0) return
    cpuWait(cpu, mailbox, value, spins)
  }
}

// What the kernel takes that are no accesses: exceptions, system calls, calls to other CPUs, clearing and copying
// pages. Told by the program as it runs, charged to the thread's clock.

import { SHARED, type Probe, type Watched } from '../backends/stepped/index.ts'
import { Mm, type Task } from '../kernel/index.ts'
import { CLEARING, EXCEPTION, INTERRUPT, SYSTEM_CALL, WORKING } from './accounts.ts'
import type { FrameCosts } from './frames.ts'
import type { BesideLock, MachineModel } from './machine.ts'
import type { Simulator } from './simulator.ts'
import { xorshift32 } from '../workloads/xorshift.ts'

// What the runtime calls the functions whose calls cost something.
const HANDLE_USER_FAULT = 0
const CALL_ENTER = 1
const SEND_CALL = 2
const CALL_FUNCTION_MANY = 3
const TAKE_FROM_ZONE = 4
const GIVE_TO_ZONE = 5
const GATHER_FRAME = 6
const WALK = 7
const LAYOUT_CHANGED = 8
const READ_SEQUENCE = 9
const GOT_LOCK = 10

/** The program of a recording has further ones, from here on. */
export const FURTHER_PROBES = 11

export const costProbes: readonly Probe[] = [
  { file: 'fault/fault.ts', function: 'handleUserFault', id: HANDLE_USER_FAULT },
  { file: 'machine/cpu.ts', function: 'callEnter', id: CALL_ENTER },
  { file: 'machine/calls.ts', function: 'sendCall', id: SEND_CALL },
  { file: 'machine/calls.ts', function: 'callFunctionMany', id: CALL_FUNCTION_MANY },
  { file: 'memory/page-alloc.ts', function: 'takeFromZone', id: TAKE_FROM_ZONE },
  { file: 'memory/page-alloc.ts', function: 'giveToZone', id: GIVE_TO_ZONE },
  { file: 'tables/mmu-gather.ts', function: 'gatherFrame', id: GATHER_FRAME },
  { file: 'tables/page-table.ts', function: 'findPmdTable', id: WALK },
  { file: 'tables/page-table.ts', function: 'allocPteTable', id: WALK },
  { file: 'sync/seqcount.ts', function: 'readSeqcount', id: READ_SEQUENCE },
  { file: 'sync/seqcount.ts', function: 'readSeqcountRetry', id: READ_SEQUENCE },
]

/** Who has got the mmap lock, or is about to give it up or downgrade it. A recorded program has its own there. */
export const lockProbes: readonly Probe[] = [
  { function: 'mmapReadLock', id: GOT_LOCK, result: true },
  { function: 'mmapReadTryLock', id: GOT_LOCK, result: true },
  { function: 'mmapWriteLock', id: GOT_LOCK, result: true },
  { function: 'mmapWriteUnlock', id: LAYOUT_CHANGED },
  { function: 'mmapWriteDowngrade', id: LAYOUT_CHANGED },
].map((probe) => ({ ...probe, file: 'mm/mmap-lock.ts' }))

/** Default of {@link MachineModel.software} `createNs`. */
const CREATE_NS = 25_000

/** What a fault computes varies by so much, as caches and branches have it: nothing goes in step for long. */
const JITTER = 0.1

/** Numbers from 0 to less than 1, by chance. */
export function randomNumbers(seed: number): () => number {
  const next = xorshift32(seed)
  return () => next() / 2 ** 32
}

/** The simulated memory's cell of a word of the heap. */
function cellOf({ heap }: Task, word: number): number {
  return (heap as Watched)[SHARED]!.firstCell + word
}

export interface ChargesOptions {
  readonly machine: MachineModel
  readonly simulator: Simulator
  readonly frames: FrameCosts
  /** By how much a thread computes longer, as another shares its core. */
  readonly factor: Float64Array
  readonly random: () => number
  /** Whether a fault asks for the line of the mmap lock first. */
  readonly prefetchesMmapLock: boolean
  /** What else is at the mmap lock. */
  readonly besideLock: BesideLock
  /** What of `software.layoutNs` a call takes. */
  readonly layoutShare: number
  /** Whether a call to a thread is one to a CPU, and whether that runs the thread, and is interrupted. */
  readonly hasCpu: (thread: number) => boolean
  readonly isRunning: (thread: number) => boolean
}

export class Charges {
  readonly #options: ChargesOptions
  /** The address space of the last fault of each thread; and whether that has not read the root of its table yet. */
  readonly #mm: Int32Array
  readonly #isRootUnread: Uint8Array

  constructor(options: ChargesOptions) {
    this.#options = options
    this.#mm = new Int32Array(options.factor.length)
    this.#isRootUnread = new Uint8Array(options.factor.length)
  }

  clear(thread: number, frame: number): void {
    const { simulator, frames } = this.#options
    const { clock, coreOf } = simulator
    simulator.spend(thread, CLEARING, frames.clear(coreOf[thread]!, frame, clock[thread]!))
  }

  copy(thread: number, to: number, from: number): void {
    const { simulator, frames } = this.#options
    const { clock, coreOf } = simulator
    simulator.spend(thread, CLEARING, frames.copy(coreOf[thread]!, to, from, clock[thread]!))
  }

  /** Making a thread, but for the memory that its maker maps for it. */
  create(thread: number): void {
    const { simulator, machine } = this.#options
    const { createNs = CREATE_NS } = machine.software
    simulator.spend(thread, SYSTEM_CALL, createNs * simulator.slownessOf(thread))
  }

  broadcast(thread: number): void {
    this.#options.simulator.spend(thread, INTERRUPT, this.#options.machine.software.ipiNs)
  }

  called(id: number, first: unknown, a: unknown): void {
    const { simulator, machine, random } = this.#options
    const { software } = machine
    const thread = (first as Task).id
    const longer = this.#options.factor[thread]! * simulator.slownessOf(thread)
    switch (id) {
      case HANDLE_USER_FAULT: {
        const computedNs = software.faultNs * (1 + JITTER * (2 * random() - 1))
        simulator.spend(thread, EXCEPTION, software.exceptionNs * longer)
        simulator.spend(thread, WORKING, computedNs * longer)
        if (this.#options.prefetchesMmapLock)
          simulator.fetchAhead(thread, cellOf(first as Task, (a as number) + Mm.mmapLock))
        this.#mm[thread] = a as number
        this.#isRootUnread[thread] = this.#options.besideLock === 'root' ? 1 : 0
        return
      }
      case CALL_ENTER:
        simulator.spend(thread, SYSTEM_CALL, software.systemCallNs * longer)
        return
      case SEND_CALL:
        // A CPU that runs the program is interrupted too: the kernel here only marks it, as its threads cannot be.
        if (this.#options.isRunning(a as number))
          simulator.owe(a as number, software.interruptNs * simulator.slownessOf(a as number))
        if (this.#options.hasCpu(a as number))
          simulator.spend(thread, INTERRUPT, software.ipiPerCpuNs * simulator.slownessOf(thread))
        return
      case TAKE_FROM_ZONE:
      case GIVE_TO_ZONE:
        // With the lock of the zone held.
        simulator.spend(
          thread,
          WORKING,
          (software.zoneFrameNs ?? 0) * (a as number) * simulator.slownessOf(thread),
        )
        return
      case WALK:
        if (this.#isRootUnread[thread] === 0) return
        this.#isRootUnread[thread] = 0
        simulator.readNext(thread, cellOf(first as Task, (a as number) + Mm.mmapLock))
        return
      case READ_SEQUENCE:
        if (this.#options.besideLock === 'sequence' && a === this.#mm[thread]! + Mm.mmapSeq)
          simulator.readNext(thread, cellOf(first as Task, this.#mm[thread]! + Mm.mmapLock))
        return
      case GATHER_FRAME:
        simulator.spend(thread, WORKING, (software.unmapPageNs ?? 0) * longer)
        return
      case LAYOUT_CHANGED:
        this.#writeOwner(thread, first as Task, a as number)
        simulator.spend(thread, WORKING, (software.layoutNs ?? 0) * this.#options.layoutShare * longer)
        return
      case CALL_FUNCTION_MANY:
        simulator.spend(thread, INTERRUPT, software.ipiNs)
        return
    }
  }

  /** Of the functions that get the mmap lock, or try to. */
  returned(id: number, result: unknown, first: unknown, mm: unknown): void {
    const { id: thread } = first as Task
    if (id === GOT_LOCK && result !== false) this.#writeOwner(thread, first as Task, mm as number)
  }

  /** Linux notes each reader too (`rwsem_set_reader_owned`), where this kernel's forms leave it at the first. */
  #writeOwner(thread: number, task: Task, mm: number): void {
    if (this.#options.besideLock !== 'owner') return
    this.#options.simulator.plainWrite(thread, cellOf(task, mm + Mm.mmapLockOwner), 1)
  }
}

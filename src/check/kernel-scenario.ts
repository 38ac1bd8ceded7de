// Scenarios of the kernel: what CPUs do with one address space, and what must hold afterwards. Stepped with the
// kernel.
//
// A thread is a list of calls and accesses. Some sequential order of these must give their results and what can be
// seen of the address space afterwards; the subject determines these orders by running them. The kernel must keep
// its invariants, and after everything is taken down nothing may be left.

import {
  type Accounting,
  cacheLineAlign,
  callEnter,
  callExit,
  heapAlloc,
  type KernelConfig,
  Mm,
  type NodeOptions,
  type SpinlockKind,
  type Task,
  VM_EXEC,
  VM_READ,
  VM_WRITE,
  Vma,
} from '../kernel/index.ts'
import { checkKernel } from './kernel-invariants.ts'
import { type KernelMachine, type MachineChoice, bootMachine } from './kernel-machine.ts'
import { broken } from './kernel-rule.ts'
import { tearDown } from './kernel-teardown.ts'
import { spacesNearWrap } from './near-wrap.ts'
import { ScenarioCpu } from './scenario-cpu/index.ts'
import type { Outcome } from './scenario-cpu/outcome.ts'
import { DATA_FILE } from './scenario-disk.ts'

export type Operation = (cpu: ScenarioCpu) => Outcome

export interface KernelScenarioDescription {
  /** What each thread does; thread n runs on CPU n. */
  readonly threads: readonly (readonly Operation[])[]
  /**
   * Prepares the address space, on the CPU of the first thread. What it returns are the CPUs as the threads get them,
   * if not all are to use that address space.
   */
  readonly setup?: (cpu: ScenarioCpu, all: readonly ScenarioCpu[]) => readonly ScenarioCpu[] | void
  /** Pages whose contents and mapping are compared at the end. */
  readonly pages: readonly number[]
  readonly config?: Partial<KernelConfig>
  /** What else a fault writes, see memory/lru.ts of the kernel. Default: nothing. */
  readonly accounting?: Accounting
  /** What spinlocks are. Default: test-and-set. */
  readonly spinlock?: SpinlockKind
  /** Memory nodes. Default: one. */
  readonly nodes?: NodeOptions
  /** Frames of memory, the zero page included; enough, unless it is said. */
  readonly frames?: number
  /** What the first word of the file's first page is on disk once all is taken down. Default: anything. */
  readonly onDisk?: number
  /** 'own' where the set-up sees to the sequence numbers: else a share of the runs begins near their wrap. */
  readonly numbers?: 'own'
}

/** A scenario on a machine of one kind, as the subject runs it. */
export interface KernelScenarioRun {
  readonly machine: KernelMachine
  /** What threads find the machine by, and what no thread changes itself. */
  readonly constants: readonly object[]
  readonly threads: readonly (() => void)[]
  /** How many operations each thread has. */
  readonly operations: readonly number[]
  /** Results of the operations of each thread. */
  readonly results: Outcome[][]
  /** Runs one operation of a thread, as its thread would. */
  perform(thread: number, operation: number): void
  /** What can be seen of the address space. */
  observe(): string
  /** Holds the kernel to its invariants, then takes everything down. Throws if something is wrong. */
  finish(): void
}

function constantsOf(machine: KernelMachine): object[] {
  return [machine, machine.tasks, machine.disk]
}

/** Says what a scenario is; returns what makes it run on a machine of a kind. */
export function kernelScenario(
  description: KernelScenarioDescription,
): (
  choice: Pick<MachineChoice, 'design' | 'rwsem' | 'rss' | 'published' | 'contended'>,
) => KernelScenarioRun {
  return (choice) => {
    const { threads, setup, config = {}, accounting, spinlock, nodes } = description
    const frames = description.frames ?? 80 * threads.length
    const kind = { config, accounting, spinlock, nodes }
    const machine = bootMachine({ ...choice, cpus: threads.length, frames, ...kind })
    const all = machine.tasks.map((task) => new ScenarioCpu(machine, task, machine.mm))
    const cpus = setup?.(all[0]!, all) ?? all
    if (choice.rwsem === 'generic' && description.numbers !== 'own')
      spacesNearWrap(machine.heap, machine.tasks)
    const results: Outcome[][] = threads.map(() => [])
    const perform = (thread: number, operation: number): void => {
      results[thread]!.push(threads[thread]![operation]!(cpus[thread]!))
    }
    return {
      machine,
      constants: [...constantsOf(machine), threads, ...threads, cpus, ...cpus],
      threads: threads.map((operations, thread) => () => {
        for (let operation = 0; operation < operations.length; operation++) perform(thread, operation)
      }),
      operations: threads.map(({ length }) => length),
      results,
      perform,
      observe: () => observeSpace(cpus[0]!, description.pages),
      finish: () => {
        checkKernel(machine)
        tearDown(machine)
        const { onDisk } = description
        const left = onDisk === undefined ? onDisk : machine.disk.load(DATA_FILE, 0)
        if (left !== onDisk) broken(`${left} is on disk in the end, and not ${onDisk}`)
      },
    }
  }
}

export interface PrimitiveScenarioDescription {
  /** Words of shared memory, all zero, that the threads get the place of; it begins a cache line. */
  readonly words: number
  /** Which of them are no outcome: what they say in the end is a hint. */
  readonly hints?: readonly number[]
  /** Prepares them, on the CPU of the first thread. */
  readonly setup?: (cpu: Task, at: number) => void
  /** What each thread does inside the kernel, and returns; thread n runs on CPU n. */
  readonly threads: readonly ((cpu: Task, at: number) => Outcome)[]
  readonly config?: Partial<KernelConfig>
  /** What spinlocks are. Default: test-and-set. */
  readonly spinlock?: SpinlockKind
  /** Memory nodes. Default: one. */
  readonly nodes?: NodeOptions
  /** Frames of memory, the zero page included; enough, unless it is said. */
  readonly frames?: number
}

/**
 * The same for what the kernel is built from: locks, RCU, reference counts. What is plain data to the threads, the race
 * detector holds them to; what the words are in the end, and what the threads return, some sequential order must give.
 */
export function primitiveScenario(
  description: PrimitiveScenarioDescription,
): (choice: Pick<MachineChoice, 'design' | 'rwsem' | 'rss' | 'contended'>) => KernelScenarioRun {
  return (choice) => {
    const { threads, words, hints = [], setup, config = {}, spinlock, nodes } = description
    const frames = description.frames ?? 80 * threads.length
    const machine = bootMachine({ ...choice, cpus: threads.length, frames, config, spinlock, nodes })
    const { heap, tasks } = machine
    const at = heapAlloc(heap, cacheLineAlign(words))
    setup?.(tasks[0]!, at)
    const results: Outcome[][] = threads.map(() => [])
    const perform = (thread: number): void => {
      const task = tasks[thread]!
      callEnter(task)
      results[thread]!.push(threads[thread]!(task, at))
      callExit(task)
    }
    return {
      machine,
      constants: [...constantsOf(machine), threads],
      threads: threads.map((_, thread) => () => perform(thread)),
      operations: threads.map(() => 1),
      results,
      perform,
      observe: () => {
        const seen = heap.slice(at, at + words)
        for (const word of hints) seen[word] = 0
        return seen.join(' ')
      },
      finish: () => {
        checkKernel(machine)
        tearDown(machine)
      },
    }
  }
}

/**
 * The mappings and the contents of the pages. Not which pages are resident: a fault may bring in a page for an access
 * that is then refused, since the fault and the access that is tried again are two things.
 */
export function observeSpace(cpu: ScenarioCpu, pages: readonly number[]): string {
  const { task, mm } = cpu
  const { heap } = task
  const maps: string[] = []
  for (let vma = heap[mm + Mm.mmap]!; vma !== 0; vma = heap[vma + Vma.vmNext]!) {
    const flags = heap[vma + Vma.vmFlags]! & (VM_READ | VM_WRITE | VM_EXEC)
    maps.push(`${heap[vma + Vma.vmStart]!.toString(16)}-${heap[vma + Vma.vmEnd]!.toString(16)}:${flags}`)
  }
  const contents: string[] = []
  for (const page of pages) contents.push(`${cpu.load(page, 0)},${cpu.load(page, 1)}`)
  return `${joinMappings(maps).join(' ')} | ${contents.join(' ')}`
}

/** Similar neighbours may be one mapping or two: that depends on which got an anon_vma first. */
function joinMappings(maps: readonly string[]): string[] {
  const joined: string[] = []
  for (const map of maps) {
    const last = joined.at(-1)
    const [range, flags] = map.split(':')
    const [start, end] = range!.split('-')
    const [lastRange, lastFlags] = (last ?? ':').split(':')
    if (last !== undefined && lastFlags === flags && lastRange!.split('-')[1] === start)
      joined[joined.length - 1] = `${lastRange!.split('-')[0]}-${end}:${flags}`
    else joined.push(map)
  }
  return joined
}

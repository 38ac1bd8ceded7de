// What a thread does that is ended in the middle of it, and what others do beside it and afterwards. Stepped with the
// kernel.
//
// CPU 0 is the victim's. CPU 1 is the undertaker's, who may order the victim to stop, finds it dead, and goes on with
// work of its own. CPU 2 is at work in the same address space meanwhile, and may wait for the victim.

import {
  CPU_DEAD,
  CpuLostError,
  Header,
  PerCpu,
  Task,
  buryCpu,
  hasStopped,
  orderStop,
} from '../../kernel/index.ts'
import { checkKernel, tearDown } from '../kernel-invariants.ts'
import { type MachineChoice, bootMachine } from '../kernel-machine.ts'
import { type Operation, type Outcome, ScenarioCpu, observeSpace } from '../kernel-scenario.ts'

const page = 0x1000
/** In the mapping of the file. */
const filePage = page + 0x20
/** Mapped by the others. */
const otherPage = page + 0x40
/** Where mremap moves to. */
const movedPage = page + 0x60

const FRAMES = 240
/** In so many turns of loops that wait, time passes. */
const TURNS = 16

/** Every call that there is, and every kind of access. */
export const victims: Readonly<Record<string, Operation>> = {
  'load, hit': (cpu) => cpu.load(page),
  'store, hit': (cpu) => cpu.store(page, 9),
  'load, zero page': (cpu) => cpu.load(page + 2),
  'store, new page': (cpu) => cpu.store(page + 2, 9),
  'store, stack growth': (cpu) => cpu.store(page + 0x0f, 9),
  'load, file': (cpu) => cpu.load(filePage + 1),
  'store, file': (cpu) => cpu.store(filePage + 1, 9),
  'load outside': (cpu) => cpu.load(page + 0x80),
  mmap: (cpu) => cpu.mapPages(page + 0x10, 2),
  'mmap, over': (cpu) => cpu.mapPages(page, 2),
  'mmap, file': (cpu) => cpu.mapFile(page + 0x14, 1),
  munmap: (cpu) => cpu.unmap(page, 2),
  'munmap, file': (cpu) => cpu.unmap(filePage, 2),
  'mprotect, whole': (cpu) => cpu.protect(page, 4, 'r'),
  'mprotect, split': (cpu) => cpu.protect(page + 1, 1, 'r'),
  mremap: (cpu) => cpu.move(page, 2, movedPage),
  fork: (cpu) => cpu.forkOnly(),
  'madvise dontneed': (cpu) => cpu.discard(page, 2),
  mlock: (cpu) => cpu.lock(page, 3),
  munlock: (cpu) => cpu.unlock(page, 3),
  brk: (cpu) => cpu.heap(2),
  msync: (cpu) => cpu.sync(filePage, 2),
  fsync: (cpu) => cpu.syncFile(),
  ftruncate: (cpu) => cpu.truncate(1),
  read: (cpu) => cpu.readFile(1),
  open: (cpu) => cpu.openOnly(),
  'open and close': (cpu) => cpu.openAndClose(),
  'madvise pageout': (cpu) => cpu.pageOut(page, 2),
  reclaim: (cpu) => cpu.reclaim(),
  swapoff: (cpu) => cpu.stopSwap(),
  reap: (cpu) => cpu.reap(),
  'register observer': (cpu) => cpu.register(),
  'create space': (cpu) => {
    cpu.newSpace()
    return 'created'
  },
  'leave and join': (cpu) => {
    cpu.leave()
    return cpu.join()
  },
}

export interface EndScenarioChoice extends Pick<MachineChoice, 'design' | 'rwsem'> {
  readonly victim: string
  /** Whether the victim is ordered to stop before it is ended. */
  readonly ordered: boolean
}

/** A scenario on a machine, as the driver runs it. */
export interface EndScenarioRun {
  /** Whose private fields have to be set back: all CPUs, and the one that is dead. */
  readonly tasks: readonly Task[]
  readonly threads: readonly (() => void)[]
  readonly results: Outcome[][]
  /** Runs one operation without ending anything: what the results are to be compared with. */
  perform(thread: number, operation: number): void
  /** Operations of each thread; of the undertaker, those that come after the burial. */
  readonly counts: readonly number[]
  isLost(): boolean
  observe(): string
  /** Holds the kernel to its invariants, takes everything down, and throws if something is wrong. */
  finish(): void
  /** Everything is as it was in the beginning, but for memory and fields. */
  reset(): void
}

/** Operations of the undertaker before its work: the order to stop, the end, and the burial. */
export const UNDERTAKING = 3

export default function endScenario(choice: EndScenarioChoice): EndScenarioRun {
  const machine = bootMachine({ ...choice, cpus: 3, frames: FRAMES, config: {} })
  const { heap } = machine
  const [victimTask] = machine.tasks
  const dead = new Task(0, heap, victimTask!.memory, victimTask!.design)
  dead.host = machine.disk
  // Who waits without sleeping finds out by that, in the end, that the machine is lost.
  let turns = 0
  machine.disk.waitsLong = () => ++turns % TURNS === 0
  const cpus = machine.tasks.map((task) => new ScenarioCpu(machine, task, machine.mm))
  setUp(cpus)
  const victim = victims[choice.victim]!
  const work: readonly (readonly Operation[])[] = [
    [victim, (cpu) => cpu.load(page + 3)],
    [
      (cpu) => cpu.mapPages(otherPage, 2),
      (cpu) => cpu.store(otherPage, 5),
      (cpu) => cpu.load(page + 1),
      (cpu) => cpu.unmap(otherPage, 1),
    ],
    // It calls on the others to flush their TLBs, and waits for their answers.
    [(cpu) => cpu.protect(page + 3, 1, 'r'), (cpu) => cpu.load(page + 3)],
  ]
  const undertaking: readonly Operation[] = [
    (cpu) => (choice.ordered ? stop(cpu.task) : 'no order'),
    (cpu) => end(cpu.task),
    () => bury(dead),
  ]
  const results: Outcome[][] = [[], [], []]
  const run = (thread: number, operation: Operation): void => {
    results[thread]!.push(unlessLost(operation, cpus[thread]!))
  }
  return {
    tasks: [...machine.tasks, dead],
    threads: work.map((operations, thread) => () => {
      if (thread === 1) for (const operation of undertaking) run(thread, operation)
      for (const operation of operations) run(thread, operation)
    }),
    results,
    perform: (thread, operation) => run(thread, work[thread]![operation]!),
    counts: work.map((operations) => operations.length),
    isLost: () => Atomics.load(heap, Header.lostCpu) !== 0,
    observe: () => observeSpace(cpus[1]!, [page, page + 1, page + 3, otherPage, otherPage + 1]),
    finish() {
      // The CPU of the victim is free: whoever comes to it is a new thread.
      ;(machine.tasks as Task[])[0] = dead
      checkKernel(machine)
      tearDown(machine)
    },
    reset() {
      turns = 0
      ;(machine.tasks as Task[])[0] = victimTask!
    },
  }
}

function setUp(cpus: readonly ScenarioCpu[]): void {
  const [cpu] = cpus
  cpu!.startSwap(4)
  cpu!.mapPages(page, 4)
  cpu!.mapPages(page + 0x10, 1, 'rw', true)
  cpu!.startHeap(page + 0xa0)
  cpu!.store(page + 0x10, 4)
  for (let index = 0; index < 2; index++) cpu!.store(page + index, 1 + index)
  cpu!.store(page + 3, 3)
  cpu!.fillDisk(2, 50)
  cpu!.mapDisk(filePage, 2)
  cpu!.keepFile(filePage)
  cpu!.store(filePage, 55)
  // What the victim has open is let go with it.
  cpu!.openOnly()
  // All have translations, which calls have to withdraw.
  for (const each of cpus) each.load(page)
}

function unlessLost(operation: Operation, cpu: ScenarioCpu): Outcome {
  try {
    return operation(cpu)
  } catch (error) {
    if (error instanceof CpuLostError) return 'lost'
    throw error
  }
}

/** As the thread does that terminates the victim's. */
function stop(undertaker: Task): Outcome {
  const { heap } = undertaker
  const base = heap[Header.perCpu]!
  orderStop(heap, base)
  while (!hasStopped(heap, base)) {
    if (Atomics.load(heap, Header.lostCpu) !== 0) return 'lost'
    Atomics.pause()
  }
  return 'stopped'
}

/** That takes a while, in which the victim may still do something. */
function end(undertaker: Task): Outcome {
  for (let turn = 0; turn < 12; turn++) Atomics.load(undertaker.heap, Header.magic)
  return 'ended'
}

function bury(dead: Task): Outcome {
  Atomics.store(dead.heap, dead.base + PerCpu.online, CPU_DEAD)
  return buryCpu(dead) ? 'buried' : 'lost'
}

// What a thread does that is ended in the middle of it, and what others do beside it and afterwards. Stepped with the
// kernel.
//
// CPU 0 is the victim's. CPU 1 is the undertaker's, who may order the victim to stop, finds it dead, and goes on with
// work of its own. CPU 2 is at work in the same address space meanwhile, and may wait for the victim. The thread on CPU
// 3 has died before: the victim may be about to bury it, or come to its CPU.

import {
  CPU_FREE,
  CPU_TAKEN,
  CpuLostError,
  Header,
  PerCpu,
  type Task,
  buryCpu,
  callEnter,
  callExit,
  cancelStop,
  claimDead,
  hasStopped,
  inheritCpu,
  kernelEnter,
  noticeDead,
  orderStop,
  perCpuBase,
} from '../../kernel/index.ts'
import { checkKernel } from '../kernel-invariants.ts'
import { tearDown } from '../kernel-teardown.ts'
import { type MachineChoice, bootMachine, freshTask } from '../kernel-machine.ts'
import { append, overwrite, writePage } from '../scenarios/file-calls.ts'
import { type Operation, observeSpace } from '../kernel-scenario.ts'
import type { Outcome } from '../scenario-cpu/outcome.ts'
import { ScenarioCpu } from '../scenario-cpu/index.ts'

const page = 0x1000
/** In the mapping of the file. */
const filePage = page + 0x20
/** Mapped by the others. */
const otherPage = page + 0x40
/** Where mremap moves to. */
const movedPage = page + 0x60

/** CPUs. */
const VICTIM = 0
const DEAD = 3
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
  append: append(60),
  'write, whole page': writePage(1, 60),
  'overwrite, whole page': overwrite(filePage + 1, 60),
  'msync, by the flusher': (cpu) => {
    cpu.askSync(filePage, 1)
    return cpu.serve(VICTIM)
  },
  flush: (cpu) => cpu.flush(),
  ftruncate: (cpu) => cpu.truncate(1),
  read: (cpu) => cpu.readFile(1),
  open: (cpu) => cpu.openOnly(),
  'open and close': (cpu) => cpu.openAndClose(),
  // It ends with its pins, which whoever buries it gives back.
  pin: (cpu) => cpu.pin(page, 3, 'rw'),
  'pin and unpin': (cpu) => {
    cpu.pin(filePage, 2, 'r')
    return cpu.unpin()
  },
  collapse: (cpu) => cpu.collapse(page, 3),
  wait: (cpu) => cpu.waitWord(page, 99),
  wake: (cpu) => cpu.wakeWord(page),
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
  bury: ({ task }) => {
    buryCpu(task, freshTask(DEAD, task), DEAD + 1)
    return 'buried'
  },
  // In the middle of an access without a fault, as others wait for its answers.
  notice: ({ task }) => {
    const dead = freshTask(DEAD, task)
    callEnter(task)
    kernelEnter(dead)
    noticeDead(task, dead, DEAD + 1)
    callExit(task)
    return 'noticed'
  },
  'inherit a CPU': ({ task }) => {
    const heir = freshTask(DEAD, task)
    if (claimDead(heir, DEAD + 1, task.id + 1)) inheritCpu(heir)
    return 'inherited'
  },
}

export interface EndScenarioChoice extends Pick<MachineChoice, 'design' | 'rwsem'> {
  readonly victim: string
  /** Whether the victim is ordered to stop before it is ended. */
  readonly ordered: boolean
  /** Whether the third thread waits, for what the second tells it when the victim is dead. */
  readonly waits?: boolean
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

/** Operations of the undertaker before its work: the order to stop, the end, and the burial of all that are dead. */
export const UNDERTAKING = 3

export default function endScenario(choice: EndScenarioChoice): EndScenarioRun {
  const machine = bootMachine({ ...choice, cpus: 4, frames: FRAMES, config: {} })
  const { heap } = machine
  const before = [...machine.tasks]
  const dead = [VICTIM, DEAD].map((id) => freshTask(id, machine.tasks[id]!))
  // Who waits without sleeping finds out by that, in the end, that the machine is lost.
  let turns = 0
  machine.disk.waitsLong = () => ++turns % TURNS === 0
  const cpus = machine.tasks.map((task) => new ScenarioCpu(machine, task, machine.mm))
  setUp(cpus)
  const victim = victims[choice.victim]!
  const work: Operation[][] = [
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
    (cpu) => bury(cpu.task, dead),
  ]
  if (choice.waits === true) {
    work[1]!.splice(
      0,
      Infinity,
      (cpu) => cpu.wakeWord(page + 1),
      (cpu) => cpu.load(page + 1),
    )
    work[2]!.splice(0, Infinity, (cpu) => cpu.waitWord(page + 1, 2))
  }
  const results: Outcome[][] = [[], [], []]
  const run = (thread: number, operation: Operation): void => {
    results[thread]!.push(unlessLost(operation, cpus[thread]!))
  }
  return {
    tasks: [...machine.tasks, ...dead],
    threads: work.map((operations, thread) => () => {
      if (thread === 1) for (const operation of undertaking) run(thread, operation)
      for (const operation of operations) run(thread, operation)
    }),
    results,
    perform(thread, operation) {
      machine.ordering = true
      run(thread, work[thread]![operation]!)
    },
    counts: work.map((operations) => operations.length),
    isLost: () => Atomics.load(heap, Header.lostCpu) !== 0,
    observe: () => observeSpace(cpus[1]!, [page, page + 1, page + 3, otherPage, otherPage + 1]),
    finish() {
      // These CPUs are free: whoever comes to one is a new thread.
      for (const task of dead) {
        const online = heap[task.base + PerCpu.online]
        if (online !== CPU_FREE) throw new Error(`CPU ${task.id} is not free, but ${online}`)
        ;(machine.tasks as Task[])[task.id] = task
      }
      checkKernel(machine)
      tearDown(machine)
    },
    reset() {
      turns = 0
      machine.ordering = false
      before.forEach((task, id) => ((machine.tasks as Task[])[id] = task))
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
  cpu!.fillDisk(3, 50)
  cpu!.mapDisk(filePage, 3)
  cpu!.keepFile(filePage)
  cpu!.store(filePage, 55)
  // What the victim has open is let go with it.
  cpu!.openOnly()
  // All have translations, which calls have to withdraw.
  for (const each of cpus) each.load(page)
  cpus[DEAD]!.openOnly()
  for (const { task } of cpus) {
    task.heap[task.base + PerCpu.hostThread] = task.id + 1
    task.heap[task.base + PerCpu.online] = CPU_TAKEN
  }
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
  const bases = [VICTIM, DEAD].map((id) => perCpuBase(heap, id))
  for (;;) {
    let stopped = true
    for (const base of bases) {
      if (isVictims(heap, base)) {
        orderStop(heap, base)
        stopped = hasStopped(heap, base) && stopped
      }
      // Meanwhile it may have lost it again: what the order was for is over.
      if (!isVictims(heap, base)) cancelStop(heap, base)
    }
    if (stopped) return 'stopped'
    if (Atomics.load(heap, Header.lostCpu) !== 0) return 'lost'
    Atomics.pause()
  }
}

function isVictims(heap: Int32Array, base: number): boolean {
  return (
    Atomics.load(heap, base + PerCpu.hostThread) === VICTIM + 1 &&
    Atomics.load(heap, base + PerCpu.online) === CPU_TAKEN
  )
}

/** That takes a while, in which the victim may still do something. */
function end(undertaker: Task): Outcome {
  for (let turn = 0; turn < 12; turn++) Atomics.load(undertaker.heap, Header.magic)
  return 'ended'
}

/** The threads of these CPUs are dead: the victim, and the one that it may have buried, or have come in place of. */
function bury(undertaker: Task, dead: readonly Task[]): Outcome {
  for (const visit of [noticeDead, buryCpu]) {
    for (const task of dead) {
      const thread = Atomics.load(task.heap, task.base + PerCpu.hostThread)
      if (thread === VICTIM + 1 || thread === DEAD + 1) visit(undertaker, task, thread)
    }
  }
  return 'buried'
}

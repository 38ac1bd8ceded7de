// Accesses of a CPU in a scenario: those of its program, of the kernel for it, and of an observer of its memory.

import {
  ACCESS_EXECUTE,
  ACCESS_WRITE,
  addInt32,
  callEnter,
  callExit,
  EFAULT,
  findPteTable,
  loadAlignedInt32,
  Mm,
  PAGE_SIZE,
  PerCpu,
  PTE_PRESENT,
  pteAddress,
  secondaryLoadInt32,
  secondaryStoreInt32,
  storeAlignedInt32,
  type Task,
  touch,
  touchByKernel,
  VmEvent,
} from '../../kernel/index.ts'
import type { KernelMachine } from '../kernel-machine.ts'
import { type Outcome, outcomeOf, signalOf } from './outcome.ts'

/** One CPU in one address space: what its program reads and writes. */
export class CpuAccesses {
  readonly machine: KernelMachine
  readonly task: Task
  readonly mm: number

  constructor(machine: KernelMachine, task: Task, mm: number) {
    this.machine = machine
    this.task = task
    this.mm = mm
  }

  protected inKernel<Result>(body: (task: Task, mm: number) => Result): Result {
    callEnter(this.task)
    const result = body(this.task, this.mm)
    callExit(this.task)
    return result
  }

  /** Does a system call: the name of its error, or what it returns. */
  protected call(body: (task: Task, mm: number) => number): Outcome {
    return outcomeOf(this.inKernel(body))
  }

  load(page: number, word = 0): Outcome {
    try {
      return loadAlignedInt32(this.task, this.mm, page * PAGE_SIZE + word * 4)
    } catch (error) {
      return signalOf(error)
    }
  }

  store(page: number, value: number, word = 0): Outcome {
    try {
      storeAlignedInt32(this.task, this.mm, page * PAGE_SIZE + word * 4, value)
      return 'stored'
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Adds atomically; returns what was there. */
  add(page: number, value: number, word = 0): Outcome {
    try {
      return addInt32(this.task, this.mm, page * PAGE_SIZE + word * 4, value)
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Fetches an instruction. */
  fetch(page: number): Outcome {
    try {
      touch(this.task, this.mm, page * PAGE_SIZE, ACCESS_EXECUTE)
      return 'fetched'
    } catch (error) {
      return signalOf(error)
    }
  }

  /** The kernel writes to the page for a call, as `copy_to_user` does. */
  copyTo(page: number): Outcome {
    const result = touchByKernel(this.task, this.mm, page * PAGE_SIZE, ACCESS_WRITE)
    return result === -EFAULT ? 'EFAULT' : 'copied'
  }

  /** Whether an entry of the page table maps the page. */
  isMapped(page: number): Outcome {
    callEnter(this.task)
    const table = findPteTable(this.task, this.mm, page)
    const entry = table === 0 ? 0 : Atomics.load(this.task.heap, pteAddress(table, page))
    callExit(this.task)
    return (entry & PTE_PRESENT) !== 0 ? 'mapped' : 'not mapped'
  }

  /** Faults that this CPU has counted as handled. */
  pageFaults(): Outcome {
    return this.task.heap[this.task.base + PerCpu.vmEvents + VmEvent.pgfault]!
  }

  /** Loads through the observer. */
  observe(page: number, word = 0): Outcome {
    try {
      return secondaryLoadInt32(this.task, this.observer(), page * PAGE_SIZE + word * 4)
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Stores through the observer. */
  storeObserved(page: number, value: number, word = 0): Outcome {
    try {
      secondaryStoreInt32(this.task, this.observer(), page * PAGE_SIZE + word * 4, value)
      return 'stored'
    } catch (error) {
      return signalOf(error)
    }
  }

  protected observer(): number {
    return Atomics.load(this.task.heap, this.mm + Mm.mmuNotifiers)
  }
}

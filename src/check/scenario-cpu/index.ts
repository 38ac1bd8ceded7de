// What a CPU of a scenario does: system calls on its address space, and address spaces that come and go.

import {
  brk,
  callEnter,
  callExit,
  createMm,
  destroyMm,
  errnoName,
  finishCall,
  forkMm,
  futexHasWaiters,
  futexQueue,
  futexSleep,
  futexUnqueue,
  futexWake,
  Header,
  isFutexWaiting,
  joinMm,
  leaveMm,
  MADV,
  madvise,
  MAP_FIXED,
  mincore,
  mlock,
  mmap,
  mprotect,
  mremap,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  munlock,
  munmap,
  oomReap,
  OVERCOMMIT_ALWAYS,
  PAGE_SIZE,
  registerMmuNotifier,
  setStartOfHeap,
  unregisterMmuNotifier,
  VM_GROWSDOWN,
} from '../../kernel/index.ts'
import { CpuPaging } from './paging.ts'
import { type Outcome, outcomeOf, protectionFlags } from './outcome.ts'

/** A CPU of a scenario in an address space, with all that it can do there. */
export class ScenarioCpu extends CpuPaging {
  /** Maps `pages` pages at `page`; what was there goes away. */
  mapPages(page: number, pages: number, protection = 'rw', stack = false): Outcome {
    const flags = protectionFlags(protection) | (stack ? VM_GROWSDOWN : 0)
    return this.call((task, mm) => mmap(task, mm, page, pages, flags, MAP_FIXED, 0, 0))
  }

  /**
   * Maps `pages` pages at `page` that are more than memory could hold, of which few will be touched
   * (`vm.overcommit_memory = 1`). For a set-up: throws when it cannot.
   */
  mapMany(page: number, pages: number): void {
    this.task.heap[Header.overcommitMemory] = OVERCOMMIT_ALWAYS
    const result = this.mapPages(page, pages)
    if (result !== page) throw new Error(`${pages} pages cannot be mapped: ${result}`)
  }

  /** Moves `pages` pages at `page` to `to`; what was there goes away. The mapping at `page` stays if `kept`, empty. */
  move(page: number, pages: number, to: number, kept = false): Outcome {
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | (kept ? MREMAP_DONTUNMAP : 0)
    return this.call((task, mm) => mremap(task, mm, page, pages, pages, flags, to))
  }

  /** Gives the mapping of `pages` pages at `page` another size, where it is. */
  resize(page: number, pages: number, newPages: number): Outcome {
    return this.call((task, mm) => mremap(task, mm, page, pages, newPages, 0, 0))
  }

  /** Forks, looks what the child has in the first words of some pages, and has the child exit. */
  fork(...pages: readonly number[]): Outcome {
    const { task } = this
    callEnter(task)
    const child = forkMm(task, this.mm)
    if (child !== 0) joinMm(task, child)
    callExit(task)
    if (child === 0) return 'ENOMEM'
    const seen = new ScenarioCpu(this.machine, task, child)
    const contents = pages.map((page) => seen.load(page))
    callEnter(task)
    destroyMm(task, child)
    callExit(task)
    if (this.machine.ordering) this.#mustHaveTheSame(pages, contents)
    return `child: ${contents.join(' ')}`
  }

  /** Nobody is at work beside: a child has what its parent has. */
  #mustHaveTheSame(pages: readonly number[], contents: readonly Outcome[]): void {
    pages.forEach((page, index) => {
      const own = this.load(page)
      if (own !== contents[index]) throw new Error(`a child reads ${contents[index]}, and its parent ${own}`)
    })
  }

  /** Forks; nobody uses the child. */
  forkOnly(): Outcome {
    callEnter(this.task)
    const child = forkMm(this.task, this.mm)
    callExit(this.task)
    return child === 0 ? 'ENOMEM' : 'forked'
  }

  /** Forks; the child is this CPU's to use, and to have exit. */
  forkAndKeep(): ScenarioCpu {
    const { task } = this
    callEnter(task)
    const child = forkMm(task, this.mm)
    if (child !== 0) joinMm(task, child)
    callExit(task)
    if (child === 0) throw new Error('there is no memory for a child')
    return new ScenarioCpu(this.machine, task, child)
  }

  /** Forks, in a thread; the child is {@link child}. */
  forkOwn(): Outcome {
    this.machine.forked[this.task.id] = this.forkAndKeep().mm
    return 'forked'
  }

  /** The child that this CPU has forked, for it to use and to have exit. */
  get child(): ScenarioCpu {
    return new ScenarioCpu(this.machine, this.task, this.machine.forked[this.task.id]!)
  }

  unmap(page: number, pages: number): Outcome {
    return this.call((task, mm) => munmap(task, mm, page, page + pages))
  }

  protect(page: number, pages: number, protection: string): Outcome {
    return this.call((task, mm) => mprotect(task, mm, page, page + pages, protectionFlags(protection)))
  }

  /** Locks pages in memory, which brings them in, unless that is left to faults. */
  lock(page: number, pages: number, onFault = false): Outcome {
    return this.call((task, mm) => mlock(task, mm, page, page + pages, onFault))
  }

  unlock(page: number, pages: number): Outcome {
    return this.call((task, mm) => munlock(task, mm, page, page + pages))
  }

  discard(page: number, pages: number): Outcome {
    return this.advise(page, pages, 'dontneed')
  }

  advise(page: number, pages: number, advice: keyof typeof MADV): Outcome {
    return this.call((task, mm) => madvise(task, mm, page, page + pages, MADV[advice]))
  }

  /** mincore: a digit for each page, 1 where it is in memory. */
  resident(page: number, pages: number): Outcome {
    const found = new Uint8Array(pages)
    callEnter(this.task)
    const result = mincore(this.task, this.mm, page, page + pages, found)
    callExit(this.task)
    return result < 0 ? outcomeOf(result) : found.join('')
  }

  /** The heap begins at `page`. */
  startHeap(page: number): void {
    this.inKernel((task, mm) => setStartOfHeap(task, mm, page))
  }

  /** Makes the heap `pages` pages long. */
  heap(pages: number): Outcome {
    callEnter(this.task)
    const result = brk(this.task, this.mm, pages * PAGE_SIZE)
    callExit(this.task)
    return result / PAGE_SIZE
  }

  /** This CPU uses the address space no more. */
  leave(): void {
    this.inKernel(leaveMm)
  }

  /** This CPU, which has left, uses it again. */
  join(): Outcome {
    this.inKernel(joinMm)
    return 'joined'
  }

  /** This CPU in an address space of its own. */
  newSpace(): ScenarioCpu {
    callEnter(this.task)
    const mm = createMm(this.task, 65530, 2048)
    joinMm(this.task, mm)
    callExit(this.task)
    return new ScenarioCpu(this.machine, this.task, mm)
  }

  /** `other` in a fork of this address space. */
  forkFor(other: ScenarioCpu): ScenarioCpu {
    callEnter(this.task)
    const child = forkMm(this.task, this.mm)
    callExit(this.task)
    callEnter(other.task)
    leaveMm(other.task, other.mm)
    joinMm(other.task, child)
    callExit(other.task)
    return new ScenarioCpu(this.machine, other.task, child)
  }

  /** The address space, which no other CPU uses, goes away. */
  exit(): Outcome {
    this.inKernel(destroyMm)
    return 'gone'
  }

  /** Has the OOM reaper take the private memory. */
  reap(): Outcome {
    callEnter(this.task)
    const reaped = oomReap(this.task, this.mm)
    callExit(this.task)
    return reaped ? 'reaped' : 'busy'
  }

  /** Registers an observer; there is one at a time. */
  register(): Outcome {
    callEnter(this.task)
    const result = registerMmuNotifier(this.task, this.mm)
    callExit(this.task)
    return result < 0 ? errnoName(-result) : 'registered'
  }

  unregister(): Outcome {
    this.inKernel((task) => {
      unregisterMmuNotifier(task, this.observer())
      finishCall(task)
    })
    return 'unregistered'
  }

  /**
   * Waits until the first word of the page, which is `expected`, was changed and somebody woke this CPU. Where nobody
   * is at work beside, nobody would, and it is taken for over.
   */
  waitWord(page: number, expected: number): Outcome {
    const { task } = this
    callEnter(task)
    futexQueue(task, page)
    callExit(task)
    if (this.add(page, 0) === expected && !this.machine.ordering)
      while (isFutexWaiting(task)) futexSleep(task, Infinity)
    callEnter(task)
    futexUnqueue(task)
    callExit(task)
    return 'waited'
  }

  /** Changes the first word of the page, and wakes one that waits there. */
  wakeWord(page: number): Outcome {
    this.add(page, 1)
    if (futexHasWaiters(this.task)) {
      callEnter(this.task)
      futexWake(this.task, page, 1)
      callExit(this.task)
    }
    return 'told'
  }
}

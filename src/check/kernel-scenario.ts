// Scenarios of the kernel: what CPUs do with one address space, and what must hold afterwards. Stepped with the kernel.
//
// A thread is a list of calls and accesses. What they return, together with what can be seen of the address space
// afterwards, must be what some sequential order of them gives; the subject finds these orders out by running them. The
// state of the kernel itself is held to its invariants, and taking everything down must give everything back.

import {
  type Accounting,
  ACCESS_EXECUTE,
  ACCESS_WRITE,
  type AccessKind,
  BusError,
  CACHE_FILE,
  FaultOutOfMemory,
  Header,
  type KernelConfig,
  type NodeOptions,
  MADV,
  MAP_FIXED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  MS_SYNC,
  Mm,
  OVERCOMMIT_ALWAYS,
  PAGE_SIZE,
  PAGE_WORDS,
  PTE_PRESENT,
  PerCpu,
  SLAB_CPU_WORDS,
  SegmentationFault,
  SlabCpu,
  type SpinlockKind,
  type Task,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  VmEvent,
  Vma,
  addInt32,
  brk,
  cacheLineAlign,
  createFile,
  createMm,
  destroyMm,
  EFAULT,
  errnoName,
  findPteTable,
  OpenFile,
  closeFile,
  collapsePages,
  finishCall,
  forkMm,
  getFile,
  getOpenFile,
  numberAt,
  getFilePage,
  heapAlloc,
  joinMm,
  callEnter,
  callExit,
  leaveMm,
  loadAlignedInt32,
  madvise,
  mincore,
  mlock,
  mmap,
  mprotect,
  mremap,
  msync,
  munlock,
  munmap,
  oomReap,
  openHostFile,
  pageOutRange,
  pinPages,
  pteAddress,
  installFile,
  putFile,
  putPage,
  registerMmuNotifier,
  secondaryLoadInt32,
  secondaryStoreInt32,
  setStartOfHeap,
  shrinkCaches,
  storeAlignedInt32,
  swapOff,
  swapOn,
  beginWriteback,
  finishSync,
  futexHasWaiters,
  futexQueue,
  futexSleep,
  futexUnqueue,
  futexWake,
  isFutexWaiting,
  requestSync,
  serveSync,
  syncFileRange,
  syncOpenFile,
  writeBackSome,
  touch,
  touchByKernel,
  truncateFile,
  tryToFreePages,
  unpinPages,
  unregisterMmuNotifier,
} from '../kernel/index.ts'
import { checkKernel, tearDown } from './kernel-invariants.ts'
import { type KernelMachine, type MachineChoice, bootMachine } from './kernel-machine.ts'
import { spacesNearWrap } from './near-wrap.ts'
import { DATA_FILE, SWAP_FILE } from './scenario-disk.ts'

/** What an operation gave: a value, or the name of an error or signal. */
export type Outcome = number | string
export type Operation = (cpu: ScenarioCpu) => Outcome

export interface KernelScenarioDescription {
  /** What each thread does; thread n runs on CPU n. */
  readonly threads: readonly (readonly Operation[])[]
  /**
   * Prepares the address space, on the CPU of the first thread. What it returns are the CPUs as the threads get them,
   * if not all are to use that address space.
   */
  readonly setup?: (cpu: ScenarioCpu, all: readonly ScenarioCpu[]) => readonly ScenarioCpu[] | void
  /** Pages whose contents and mapping are looked at in the end. */
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
  /** 'own' where the set-up sees to the sequence numbers: else a share of the runs begins near their wrap. */
  readonly numbers?: 'own'
}

/** A scenario on a machine of one kind, as the subject runs it. */
export interface KernelScenarioRun {
  readonly machine: KernelMachine
  /** What threads find the machine by, and what no thread changes itself. */
  readonly constants: readonly object[]
  readonly threads: readonly (() => void)[]
  /** Results of the operations of each thread. */
  readonly results: Outcome[][]
  /** Runs one operation of a thread, as its thread would. */
  perform(thread: number, operation: number): void
  /** What can be seen of the address space. */
  observe(): string
  /** Holds the kernel to its invariants, then takes everything down. Throws if something is wrong. */
  finish(): void
}

export class ScenarioCpu {
  readonly machine: KernelMachine
  readonly task: Task
  readonly mm: number

  constructor(machine: KernelMachine, task: Task, mm: number) {
    this.machine = machine
    this.task = task
    this.mm = mm
  }

  /** Maps `pages` pages at `page`; what was there goes away. */
  mapPages(page: number, pages: number, protection = 'rw', stack = false): Outcome {
    callEnter(this.task)
    const flags = protectionFlags(protection) | (stack ? VM_GROWSDOWN : 0)
    const result = mmap(this.task, this.mm, page, pages, flags, MAP_FIXED, 0, 0)
    callExit(this.task)
    return outcomeOf(result)
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

  /** Maps a new file of `pages` pages, all holes, at `page`. Nothing but the mapping keeps the file. */
  mapFile(page: number, pages: number, protection = 'rw', shared = false): Outcome {
    callEnter(this.task)
    const file = createFile(this.task, pages, PAGE_SIZE, 0)
    const flags = protectionFlags(protection) | (shared ? VM_SHARED : 0)
    const result = mmap(this.task, this.mm, page, pages, flags, MAP_FIXED, file, 0)
    putFile(this.task, file)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** Moves `pages` pages at `page` to `to`; what was there goes away. The mapping at `page` stays if `kept`, empty. */
  move(page: number, pages: number, to: number, kept = false): Outcome {
    callEnter(this.task)
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | (kept ? MREMAP_DONTUNMAP : 0)
    const result = mremap(this.task, this.mm, page, pages, pages, flags, to)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** Gives the mapping of `pages` pages at `page` another size, where it is. */
  resize(page: number, pages: number, newPages: number): Outcome {
    callEnter(this.task)
    const result = mremap(this.task, this.mm, page, pages, newPages, 0, 0)
    callExit(this.task)
    return outcomeOf(result)
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
    joinMm(task, child)
    callExit(task)
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
    callEnter(this.task)
    const result = munmap(this.task, this.mm, page, page + pages)
    callExit(this.task)
    return outcomeOf(result)
  }

  protect(page: number, pages: number, protection: string): Outcome {
    callEnter(this.task)
    const result = mprotect(this.task, this.mm, page, page + pages, protectionFlags(protection))
    callExit(this.task)
    return outcomeOf(result)
  }

  /** Locks pages in memory, which brings them in, unless that is left to faults. */
  lock(page: number, pages: number, onFault = false): Outcome {
    callEnter(this.task)
    const result = mlock(this.task, this.mm, page, page + pages, onFault)
    callExit(this.task)
    return outcomeOf(result)
  }

  unlock(page: number, pages: number): Outcome {
    callEnter(this.task)
    const result = munlock(this.task, this.mm, page, page + pages)
    callExit(this.task)
    return outcomeOf(result)
  }

  discard(page: number, pages: number): Outcome {
    return this.advise(page, pages, 'dontneed')
  }

  advise(page: number, pages: number, advice: keyof typeof MADV): Outcome {
    callEnter(this.task)
    const result = madvise(this.task, this.mm, page, page + pages, MADV[advice])
    callExit(this.task)
    return outcomeOf(result)
  }

  /** mincore: a digit for each page, 1 where it is in memory. */
  resident(page: number, pages: number): Outcome {
    const found = new Uint8Array(pages)
    callEnter(this.task)
    const result = mincore(this.task, this.mm, page, page + pages, found)
    callExit(this.task)
    return result < 0 ? outcomeOf(result) : found.join('')
  }

  /** Whether an entry of the page table maps the page. */
  isMapped(page: number): Outcome {
    callEnter(this.task)
    const table = findPteTable(this.task, this.mm, page)
    const entry = table === 0 ? 0 : Atomics.load(this.task.heap, pteAddress(table, page))
    callExit(this.task)
    return (entry & PTE_PRESENT) !== 0 ? 'mapped' : 'not mapped'
  }

  /** The heap begins at `page`. */
  startHeap(page: number): void {
    callEnter(this.task)
    setStartOfHeap(this.task, this.mm, page)
    callExit(this.task)
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
    callEnter(this.task)
    leaveMm(this.task, this.mm)
    callExit(this.task)
  }

  /** This CPU, which has left, uses it again. */
  join(): Outcome {
    callEnter(this.task)
    joinMm(this.task, this.mm)
    callExit(this.task)
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
    callEnter(this.task)
    destroyMm(this.task, this.mm)
    callExit(this.task)
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
    callEnter(this.task)
    unregisterMmuNotifier(this.task, this.observer())
    finishCall(this.task)
    callExit(this.task)
    return 'unregistered'
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

  private observer(): number {
    return Atomics.load(this.task.heap, this.mm + Mm.mmuNotifiers)
  }

  /** How many files this CPU has given up for good. */
  filesFreed(): Outcome {
    const { heap, base } = this.task
    return heap[base + PerCpu.slabs + CACHE_FILE * SLAB_CPU_WORDS + SlabCpu.freed]!
  }

  /** Faults that this CPU has counted as handled. */
  pageFaults(): Outcome {
    return this.task.heap[this.task.base + PerCpu.vmEvents + VmEvent.pgfault]!
  }

  // -------------------------------------------------------------------------------------------------------------------
  // The disk, and pages that leave memory

  /** Makes the file on disk `pages` pages long, of which each begins with `value` more than the one before. */
  fillDisk(pages: number, value: number): void {
    const { disk } = this.machine
    disk.resize(DATA_FILE, pages)
    for (let page = 0; page < pages; page++) disk.store(DATA_FILE, page, value + page)
  }

  /** The first word of a page of the file on disk. */
  onDisk(page: number): Outcome {
    return this.machine.disk.load(DATA_FILE, page)
  }

  /** The next transfers fail. */
  failNext(reads: number, writes: number): void {
    this.machine.disk.failNext(reads, writes)
  }

  /** Opens the file on disk; within the kernel. */
  #open(inode = DATA_FILE): number {
    const identity = Int32Array.of(0, 0, inode, 0)
    const pages = this.machine.disk.pagesOf(inode)
    const lastBytes = pages === 0 ? 0 : PAGE_SIZE
    return openHostFile(this.task, identity, new Uint8Array(0), pages, lastBytes, true, 0)
  }

  /** Opens the file on disk in the name of this CPU's thread, which does not close it. */
  openOnly(): Outcome {
    callEnter(this.task)
    const file = this.#open()
    if (installFile(this.task, file, true) === 0) putFile(this.task, file)
    finishCall(this.task)
    callExit(this.task)
    return 'open'
  }

  /** Opens the file on disk, and closes it again. */
  openAndClose(): Outcome {
    callEnter(this.task)
    const file = this.#open()
    const open = installFile(this.task, file, true)
    if (open === 0) putFile(this.task, file)
    else closeFile(this.task, open)
    finishCall(this.task)
    callExit(this.task)
    return 'closed'
  }

  /** Opens the file on disk for all threads, as one of them does; for set-up. */
  openForAll(): void {
    const { heap, base } = this.task
    this.openOnly()
    const open = heap[base + PerCpu.openFiles]!
    this.machine.opened.push({ open, generation: numberAt(heap, open + OpenFile.generation) })
  }

  /** This CPU, which has opened it, closes it for all. */
  closeOpened(index = 0): Outcome {
    callEnter(this.task)
    closeFile(this.task, this.machine.opened[index]!.open)
    finishCall(this.task)
    callExit(this.task)
    return 'closed'
  }

  /** The first word of a page of the file that is open for all. */
  readOpened(index: number): Outcome {
    const { task } = this
    const { open, generation } = this.machine.opened[0]!
    callEnter(task)
    const file = getOpenFile(task, open, generation)
    let value: Outcome = 'EBADF'
    if (file !== 0) {
      const frame = getFilePage(task, file, index)
      value = frame === 0 ? outcomeOf(task.ioError) : Atomics.load(task.memory.words, frame * PAGE_WORDS)
      if (frame !== 0) putPage(task, frame)
      putFile(task, file)
    }
    finishCall(task)
    callExit(task)
    return value
  }

  /** Maps `pages` pages of the file on disk at `page`. Nothing but the mapping keeps it open. */
  mapDisk(page: number, pages: number, protection = 'rw', shared = true): Outcome {
    callEnter(this.task)
    const file = this.#open()
    const flags = protectionFlags(protection) | (shared ? VM_SHARED : 0)
    const result = mmap(this.task, this.mm, page, pages, flags, MAP_FIXED, file, 0)
    putFile(this.task, file)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** Keeps the file that is mapped at `page` open; for set-up. */
  keepFile(page: number): void {
    const { heap } = this.task
    let vma = heap[this.mm + Mm.mmap]!
    while (heap[vma + Vma.vmEnd]! <= page) vma = heap[vma + Vma.vmNext]!
    const file = heap[vma + Vma.vmFile]!
    getFile(this.task, file)
    this.machine.kept.push(file)
  }

  /** Gives the file that is kept open a size of `pages` pages. */
  truncate(pages: number): Outcome {
    callEnter(this.task)
    const result = truncateFile(this.task, this.machine.kept[0]!, pages, pages === 0 ? 0 : PAGE_SIZE)
    finishCall(this.task)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** The first word of a page of the file that is kept open, as read() finds it. */
  readFile(index: number): Outcome {
    const { task } = this
    callEnter(task)
    const frame = getFilePage(task, this.machine.kept[0]!, index)
    const value = frame === 0 ? task.ioError : Atomics.load(task.memory.words, frame * PAGE_WORDS)
    if (frame !== 0) putPage(task, frame)
    callExit(task)
    return frame === 0 && value === 0 ? 'end of file' : outcomeOf(value)
  }

  /** fsync() of the file that is kept open. */
  syncFile(): Outcome {
    callEnter(this.task)
    const result = syncFileRange(this.task, this.machine.kept[0]!, 0, 2 ** 31 - 1)
    finishCall(this.task)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** msync(MS_SYNC). */
  sync(page: number, pages: number): Outcome {
    callEnter(this.task)
    const result = msync(this.task, this.mm, page, page + pages, MS_SYNC)
    callExit(this.task)
    return outcomeOf(result)
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

  /** Pages that the file on disk has. */
  pagesOnDisk(): Outcome {
    return this.machine.disk.pagesOf(DATA_FILE)
  }

  /** fsync() of a file that is open for all. */
  syncOpened(index: number): Outcome {
    const { open, generation } = this.machine.opened[index]!
    callEnter(this.task)
    const result = syncOpenFile(this.task, this.machine.kept[0]!, open, generation)
    finishCall(this.task)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** A round of the flusher over all that is dirty. */
  flush(): Outcome {
    callEnter(this.task)
    beginWriteback(this.task, true)
    callExit(this.task)
    for (let more = true; more;) {
      callEnter(this.task)
      more = writeBackSome(this.task, true)
      callExit(this.task)
    }
    return 'flushed'
  }

  /** Its first turn, in which it comes to one file. */
  flushOne(): Outcome {
    callEnter(this.task)
    beginWriteback(this.task, true)
    writeBackSome(this.task, true)
    callExit(this.task)
    return 'flushed'
  }

  /** Asks the flusher for an msync. */
  askSync(page: number, pages: number): Outcome {
    callEnter(this.task)
    requestSync(this.task, this.mm, page, page + pages)
    callExit(this.task)
    return 'asked'
  }

  /** The flusher does what the CPU `id` has asked for, if it has. */
  serve(id: number): Outcome {
    callEnter(this.task)
    serveSync(this.task, id)
    callExit(this.task)
    return 'served'
  }

  /** Waits until the flusher has done it, and tells what it came to. Where nobody is at work beside, does it itself. */
  syncAnswer(): Outcome {
    const { heap, base } = this.task
    const wanted = Atomics.load(heap, base + PerCpu.syncWanted)
    for (;;) {
      const done = Atomics.load(heap, base + PerCpu.syncDone)
      if (done === wanted) break
      if (this.machine.ordering) return this.sync(heap[base + PerCpu.syncStart]!, 1)
      Atomics.wait(heap, base + PerCpu.syncDone, done)
    }
    callEnter(this.task)
    const result = finishSync(this.task, this.mm)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** A swap area of `slots` slots. */
  startSwap(slots: number): void {
    this.machine.disk.resize(SWAP_FILE, slots)
    callEnter(this.task)
    const file = this.#open(SWAP_FILE)
    swapOn(this.task, file, slots)
    putFile(this.task, file)
    callExit(this.task)
  }

  stopSwap(): Outcome {
    callEnter(this.task)
    const result = swapOff(this.task)
    callExit(this.task)
    return outcomeOf(result)
  }

  /** Takes pages out of the page table and of memory, used or not, as reclaim does. */
  pageOut(page: number, pages = 1): Outcome {
    callEnter(this.task)
    pageOutRange(this.task, this.mm, page, page + pages)
    callExit(this.task)
    return 'done'
  }

  /** Takes pages out of memory that only a cache refers to, as the hand does that goes over frames; twice round. */
  shrink(): Outcome {
    callEnter(this.task)
    shrinkCaches(this.task)
    shrinkCaches(this.task)
    callExit(this.task)
    return 'done'
  }

  /** Takes out of memory what can leave it. */
  reclaim(): Outcome {
    callEnter(this.task)
    tryToFreePages(this.task)
    callExit(this.task)
    return 'done'
  }

  /** Pins pages, as far as their frames follow each other. Returns how many. */
  pin(page: number, pages: number, access: 'r' | 'rw'): Outcome {
    callEnter(this.task)
    try {
      const result = pinPages(this.task, this.mm, page, page + pages, access === 'rw')
      callExit(this.task)
      return outcomeOf(result)
    } catch (error) {
      return signalOf(error)
    }
  }

  /** Moves pages to frames that follow each other. */
  collapse(page: number, pages: number, access: 'r' | 'rw' = 'rw'): Outcome {
    callEnter(this.task)
    try {
      const result = collapsePages(this.task, this.mm, page, page + pages, access === 'rw')
      if (result >= 0) unpinPages(this.task)
      callExit(this.task)
      return outcomeOf(result)
    } catch (error) {
      return signalOf(error)
    }
  }

  unpin(): Outcome {
    if (!this.#hasPinned()) return 'not pinned'
    callEnter(this.task)
    unpinPages(this.task)
    callExit(this.task)
    return 'unpinned'
  }

  /** Adds atomically to the first word of what is pinned; returns what was there. */
  addPinned(value: number): Outcome {
    const { memory, pinnedFrame } = this.task
    return this.#hasPinned() ? Atomics.add(memory.words, pinnedFrame * PAGE_WORDS, value) : 'not pinned'
  }

  /** As {@link addPinned}, of a page that is mapped still: the program and who has it pinned see one page. */
  addPinnedMapped(page: number, value: number): Outcome {
    const before = this.addPinned(value)
    if (this.machine.ordering && before !== 'not pinned') {
      const seen = this.load(page)
      const pinned = this.addPinned(0)
      if (seen !== pinned) throw new Error(`the program reads ${seen}, and who has it pinned ${pinned}`)
    }
    return before
  }

  #hasPinned(): boolean {
    return this.task.heap[this.task.base + PerCpu.pinnedRanges] !== 0
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

  /** The kernel writes to the page for a call, as `copy_to_user` does. */
  copyTo(page: number): Outcome {
    const result = touchByKernel(this.task, this.mm, page * PAGE_SIZE, ACCESS_WRITE)
    return result === -EFAULT ? 'EFAULT' : 'copied'
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

  /** Adds atomically; returns what was there. */
  add(page: number, value: number, word = 0): Outcome {
    try {
      return addInt32(this.task, this.mm, page * PAGE_SIZE + word * 4, value)
    } catch (error) {
      return signalOf(error)
    }
  }
}

function protectionFlags(protection: string): number {
  let flags = 0
  for (const letter of protection as Iterable<AccessKind>) {
    if (letter === 'r') flags |= VM_READ
    else if (letter === 'w') flags |= VM_WRITE
    else if (letter === 'x') flags |= VM_EXEC
  }
  return flags
}

/** What a call returned, or the name of its error. */
export function outcomeOf(result: number): Outcome {
  return result < 0 ? errnoName(-result) : result
}

/** The name of the signal that an access ended in; throws what is none. */
export function signalOf(error: unknown): string {
  if (error instanceof SegmentationFault || error instanceof BusError) return error.code
  if (error instanceof FaultOutOfMemory) return 'out of memory'
  throw error
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
      results,
      perform,
      observe: () => observeSpace(cpus[0]!, description.pages),
      finish: () => {
        checkKernel(machine)
        tearDown(machine)
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

/** Neighbours that are alike may be one mapping or two: that depends on who came first to an anon_vma. */
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

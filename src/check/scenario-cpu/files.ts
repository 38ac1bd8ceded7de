// Files and the disk, as a CPU in a scenario uses them; and the flusher, which one of the CPUs may be.

import {
  beginWriteback,
  CACHE_FILE,
  callEnter,
  callExit,
  closeFile,
  createFile,
  finishCall,
  finishSync,
  getFile,
  getFilePage,
  getOpenFile,
  installFile,
  MAP_FIXED,
  Mm,
  mmap,
  MS_SYNC,
  msync,
  numberAt,
  OpenFile,
  openHostFile,
  PAGE_SIZE,
  PAGE_WORDS,
  PerCpu,
  putFile,
  putPage,
  requestSync,
  serveSync,
  SLAB_CPU_WORDS,
  SlabCpu,
  syncFileRange,
  syncOpenFile,
  truncateFile,
  VM_SHARED,
  WB_SYNC_NONE,
  Vma,
  writeBackPages,
  writeBackSome,
  type Task,
} from '../../kernel/index.ts'
import { DATA_FILE } from '../scenario-disk.ts'
import { CpuAccesses } from './accesses.ts'
import { type Outcome, outcomeOf, protectionFlags } from './outcome.ts'

/** Calls that have to do with files. */
export class CpuFiles extends CpuAccesses {
  /** A system call that may leave work for its end, such as a file to be buried. */
  protected callToEnd(body: (task: Task) => number): Outcome {
    return this.call((task) => {
      const result = body(task)
      finishCall(task)
      return result
    })
  }

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

  /** Pages that the file on disk has. */
  pagesOnDisk(): Outcome {
    return this.machine.disk.pagesOf(DATA_FILE)
  }

  /** Opens the file on disk; within the kernel. */
  protected openInode(inode = DATA_FILE): number {
    const identity = Int32Array.of(0, 0, inode, 0, 0, 0, 0)
    const pages = this.machine.disk.pagesOf(inode)
    const lastBytes = pages === 0 ? 0 : PAGE_SIZE
    return openHostFile(this.task, identity, new Uint8Array(0), pages, lastBytes, true, 0)
  }

  /** Opens the file on disk in the name of this CPU's thread, which does not close it. */
  openOnly(): Outcome {
    callEnter(this.task)
    const file = this.openInode()
    if (installFile(this.task, file, true) === 0) putFile(this.task, file)
    finishCall(this.task)
    callExit(this.task)
    return 'open'
  }

  /** Opens the file on disk, and closes it again. */
  openAndClose(): Outcome {
    callEnter(this.task)
    const file = this.openInode()
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
    this.inKernel((task) => {
      closeFile(task, this.machine.opened[index]!.open)
      finishCall(task)
    })
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

  /** Maps `pages` pages of the file on disk at `page`. Nothing but the mapping keeps it open. */
  mapDisk(page: number, pages: number, protection = 'rw', shared = true): Outcome {
    callEnter(this.task)
    const file = this.openInode()
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
    return this.callToEnd((task) =>
      truncateFile(task, this.machine.kept[0]!, pages, pages === 0 ? 0 : PAGE_SIZE),
    )
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

  /** How many files this CPU has given up for good. */
  filesFreed(): Outcome {
    const { heap, base } = this.task
    return heap[base + PerCpu.slabs + CACHE_FILE * SLAB_CPU_WORDS + SlabCpu.freed]!
  }

  /** fsync() of the file that is kept open. */
  syncFile(): Outcome {
    return this.callToEnd((task) => syncFileRange(task, this.machine.kept[0]!, 0, 2 ** 31 - 1))
  }

  /** fsync() of a file that is open for all. */
  syncOpened(index: number): Outcome {
    const { open, generation } = this.machine.opened[index]!
    return this.callToEnd((task) => syncOpenFile(task, this.machine.kept[0]!, open, generation))
  }

  /** msync(MS_SYNC). */
  sync(page: number, pages: number): Outcome {
    return this.call((task, mm) => msync(task, mm, page, page + pages, MS_SYNC))
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

  /** The second half of its turn: it writes out what it finds dirty in the cache of the file that is kept open. */
  writeOut(): Outcome {
    this.inKernel((task) => writeBackPages(task, this.machine.kept[0]!, 0, 2 ** 31 - 1, WB_SYNC_NONE))
    return 'flushed'
  }

  /** Asks the flusher for an msync. */
  askSync(page: number, pages: number): Outcome {
    this.inKernel((task, mm) => requestSync(task, mm, page, page + pages))
    return 'asked'
  }

  /** The flusher does what the CPU `id` has asked for, if it has. */
  serve(id: number): Outcome {
    this.inKernel((task) => serveSync(task, id))
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
    return this.call((task, mm) => finishSync(task, mm))
  }
}

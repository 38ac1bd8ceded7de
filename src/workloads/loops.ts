// What one thread of a workload does: worker threads run these loops unmodified, the simulator runs their steppable
// form.
//
// Principle: a loop is the order of calls and accesses, and nothing else. The thread decides where memory is, how a
// page is touched and how to count.

/** A thread that can run the loops. Addresses are opaque results of {@link LoopThread.mapMemory}. */
export interface LoopThread {
  /** Everything is made: waits for the common start. */
  ready(): void
  /** Maps this thread's memory: anonymous and private, or, after {@link openFile}, of its file. */
  mapMemory(): number
  unmapMemory(address: number): void
  discardMemory(address: number): void
  /** Makes a file of the size of this thread's memory. */
  openFile(shared: boolean): void
  closeFile(): void
  /** Maps 2 MiB with all their pages, and unmaps them. */
  mapPopulated(): void
  /** Writes byte 0 of every page of the memory, or reads it. Returns whether the run goes on. */
  writePages(address: number): boolean
  readPages(address: number): boolean
  /** Counts `turns` turns of a loop whose turns are calls. Returns whether the run goes on. */
  countTurns(turns: number): boolean
}

/** will-it-scale page_fault1. */
export function mapWriteUnmap(thread: LoopThread): void {
  thread.ready()
  for (;;) {
    const address = thread.mapMemory()
    const goesOn = thread.writePages(address)
    thread.unmapMemory(address)
    if (!goesOn) return
  }
}

/** will-it-scale page_fault3; page_fault2 where the mapping is private. */
export function mapFileWriteUnmap(thread: LoopThread, shared: boolean): void {
  thread.openFile(shared)
  mapWriteUnmap(thread)
  thread.closeFile()
}

/** will-it-scale mmap1. */
export function mapUnmap(thread: LoopThread): void {
  thread.ready()
  while (thread.countTurns(1)) thread.unmapMemory(thread.mapMemory())
}

export function readDiscard(thread: LoopThread): void {
  const address = thread.mapMemory()
  thread.ready()
  while (thread.readPages(address)) thread.discardMemory(address)
  thread.unmapMemory(address)
}

export function writeDiscard(thread: LoopThread): void {
  const address = thread.mapMemory()
  thread.ready()
  while (thread.writePages(address)) thread.discardMemory(address)
  thread.unmapMemory(address)
}

/** The writer of fault-beside-writer. */
export function mapPopulateUnmap(thread: LoopThread): void {
  thread.ready()
  while (thread.countTurns(1)) thread.mapPopulated()
}

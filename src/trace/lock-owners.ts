/**
 * Which address space each mmap lock belongs to, as far as the recording has shown.
 *
 * A thread that changes its own memory takes its own lock for writing: that is certain. The first lock that it takes
 * after a fault is its own too, unless the fault needed none: that counts only while nothing certain contradicts it.
 * Linux uses the memory of an address space that has ended again, so that its lock may be anyone's.
 */
import type { LockOwner } from './observer.ts'
import type { RecordedSpace } from './recorded-space.ts'
import type { Process, Thread } from './recorded-thread.ts'

export class LockOwners {
  readonly #owners = new Map<number, RecordedSpace>()
  readonly #locks = new Map<RecordedSpace, number>()
  readonly #processes = new Map<RecordedSpace, Process>()

  /** The lock is that of the thread's own address space; for a borrowed one, of that. */
  isOwn(thread: Thread, mm: number): void {
    const space = thread.sinks.at(-1)?.space
    const before = this.#owners.get(mm)
    if (space === undefined || space === before) return
    const other = this.#locks.get(space)
    if (other !== undefined) this.#owners.delete(other)
    if (before !== undefined) this.#locks.delete(before)
    this.#owners.set(mm, space)
    this.#locks.set(space, mm)
    this.#processes.set(space, ownerOf(thread, space))
  }

  /** The process whose lock it is, by its name of now; that of the thread where nothing else is known. */
  ownerOf(thread: Thread, mm: number): LockOwner {
    const owner = this.#owners.get(mm)
    const { name, pid } = (owner === undefined ? undefined : this.#processes.get(owner)) ?? thread.process
    return { process: name, pid }
  }

  /** Whether the lock is known to be of another address space than any of the thread's. */
  isOfAnother(thread: Thread, mm: number): boolean {
    const owner = this.#owners.get(mm)
    if (owner === undefined || owner.users === 0 || owner === thread.process.space) return false
    return thread.sinks.every(({ space }) => space !== owner)
  }

  /** Whether the lock is not the thread's: that of another address space, or not the one known to be its own. */
  isForeign(thread: Thread, mm: number): boolean {
    const space = thread.sinks.at(-1)?.space
    const own = space === undefined ? undefined : this.#locks.get(space)
    return own === undefined ? this.isOfAnother(thread, mm) : own !== mm
  }
}

/** The process of an address space that a thread uses: its own, or that of who lends it (vfork). */
function ownerOf({ process }: Thread, space: RecordedSpace): Process {
  let owner = process
  while (owner.space !== space && owner.parent !== null) owner = owner.parent.process
  return owner.space === space ? owner : process
}

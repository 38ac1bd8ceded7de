// Pages that leave memory and come back, and pins that keep them there, as a CPU in a scenario asks for it.

import {
  CHANGED_PAGES_MAX,
  callEnter,
  callExit,
  changedPages,
  collapsePages,
  PAGE_WORDS,
  pageOutRange,
  PerCpu,
  pinPages,
  putFile,
  shrinkCaches,
  swapOff,
  swapOn,
  tryToFreePages,
  unpinPages,
} from '../../kernel/index.ts'
import { SWAP_FILE } from '../scenario-disk.ts'
import { CpuFiles } from './files.ts'
import { type Outcome, outcomeOf, signalOf } from './outcome.ts'

/** Calls that let pages leave memory, or keep them there. */
export class CpuPaging extends CpuFiles {
  /** A swap area of `slots` slots. */
  startSwap(slots: number): void {
    this.machine.disk.resize(SWAP_FILE, slots)
    callEnter(this.task)
    const file = this.openInode(SWAP_FILE)
    swapOn(this.task, file, slots)
    putFile(this.task, file)
    callExit(this.task)
  }

  stopSwap(): Outcome {
    return this.call(swapOff)
  }

  /** From here on this CPU frees frames when fewer than `low` are left, until there are `high`; for a set-up. */
  setWatermarks(low: number, high: number): void {
    this.task.lowFrames = low
    this.task.highFrames = high
  }

  /** Takes pages out of the page table and of memory, used or not, as reclaim does. */
  pageOut(page: number, pages = 1): Outcome {
    this.inKernel((task, mm) => pageOutRange(task, mm, page, page + pages))
    return 'done'
  }

  /** Whether the page is not what it is in the first address space. */
  isChanged(page: number): Outcome {
    const changed = new Uint8Array(CHANGED_PAGES_MAX)
    this.inKernel((task, mm) => changedPages(task, mm, this.machine.mm, page, changed))
    return changed[0] === 1 ? 'changed' : 'as it was'
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
    this.inKernel(tryToFreePages)
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
    this.inKernel(unpinPages)
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
}

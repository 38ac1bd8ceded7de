// An observer of an address space: a secondary MMU, such as that of a device or a virtual machine, as one thread uses
// it.

import {
  MmuNotifier as NotifierLayout,
  PAGE_SIZE,
  SegmentationFault,
  TASK_SIZE,
  finishCall,
  invalidateSequence,
  isInvalidating,
  numberAt,
  secondaryLoadInt32,
  secondaryStoreInt32,
  unregisterMmuNotifier,
} from '../../kernel/index.ts'
import { checkAddress, checkUnsigned, rangeError } from './arguments.ts'
import { type Own, assertOwn, keepInThread } from './construction.ts'
import { MemoryError } from './errors.ts'
import type { MachineThread } from './machine-thread.ts'
import { assureStackRoom } from './stack-room.ts'

/**
 * Reads and writes the memory of an address space through translations of its own, which it keeps without holding the
 * pages. Before any thread removes a translation (munmap, mremap, mprotect, MADV_DONTNEED, fork, copy on write), the
 * kernel notifies the observer. So it never reads a page that the program has given up, and never misses a page that
 * took its place. From AddressSpace.registerNotifier(); belongs to the thread that registered it.
 *
 * ```ts
 * // A device that sums what the program puts into a ring, while the program goes on.
 * const notifier = space.registerNotifier()
 * let sum = 0
 * for (let slot = 0; slot < slots; slot++) sum += notifier.readUint32(ring + 4 * slot)
 * notifier.unregister()
 * ```
 *
 * Source: mm/mmu_notifier.c and virt/kvm/kvm_main.c of Linux 5.12.
 */
export class MmuNotifier {
  readonly #thread: MachineThread
  /** In the kernel heap. */
  readonly #pointer: number
  readonly #generation: number

  /** @internal For AddressSpace.registerNotifier(). */
  constructor(key: Own, thread: MachineThread, pointer: number) {
    assertOwn(key, 'MmuNotifier', 'space.registerNotifier()')
    keepInThread(this)
    this.#thread = thread
    this.#pointer = pointer
    this.#generation = numberAt(thread.task.heap, pointer + NotifierLayout.generation)
  }

  /** The machine of the address space that it watches. */
  get machine(): MachineThread['machine'] {
    return this.#thread.machine
  }

  /**
   * How many invalidations have ended since it was registered, modulo 2^32 (KVM's `mmu_invalidate_seq`). What is
   * derived from translations, such as which pages are where, holds as long as this is the same and
   * {@link invalidating} is false. Throws MemoryError ESRCH once it is unregistered or its address space is gone.
   */
  get sequence(): number {
    this.#assertRegistered()
    return this.#thread.enter('sequence', (task) => invalidateSequence(task, this.#pointer))
  }

  /** Whether a thread is about to remove the translation of `address`, in bytes. Errors: ESRCH, RangeError. */
  invalidating(address: number): boolean {
    const page = Math.floor(this.#checked(address, 1, 'r') / PAGE_SIZE)
    return this.#thread.enter('invalidating', (task) => isInvalidating(task, this.#pointer, page))
  }

  /**
   * Reads the word at `address`, a multiple of four, as the device would: through its own translation, or after a fault
   * that the program could have taken. Throws SegmentationFault and BusError as an access of the program does,
   * OutOfMemory, RangeError for an address that is not a multiple of four, and MemoryError ESRCH.
   */
  readUint32(address: number): number {
    const checked = this.#checked(address, 4, 'r')
    try {
      return secondaryLoadInt32(this.#thread.task, this.#pointer, checked) >>> 0
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Writes the word at `address`, a multiple of four. Throws as {@link readUint32} does. */
  writeUint32(address: number, value: number): void {
    if (typeof value !== 'number' || value >>> 0 !== value) checkUnsigned(value, 32)
    const checked = this.#checked(address, 4, 'w')
    try {
      secondaryStoreInt32(this.#thread.task, this.#pointer, checked, value | 0)
    } catch (error) {
      throw this.#thread.failed(error, 'access')
    }
  }

  /** Ends it. May be called again, and after the address space was destroyed. */
  unregister(): void {
    if (this.#isRegistered()) {
      this.#thread.enter('unregister', (task) => {
        unregisterMmuNotifier(task, this.#pointer)
        finishCall(task)
      })
    }
  }

  /** {@link unregister}, for `using`; nothing where the thread has detached. */
  [Symbol.dispose](): void {
    if (this.#thread.isAttached) this.unregister()
  }

  #isRegistered(): boolean {
    return numberAt(this.#thread.task.heap, this.#pointer + NotifierLayout.generation) === this.#generation
  }

  #assertRegistered(): void {
    if (!this.#isRegistered()) throw new MemoryError('ESRCH', 'notifier', 'it is not registered any more')
  }

  #checked(address: number, multiple: number, access: 'r' | 'w'): number {
    assureStackRoom()
    if (!Number.isInteger(address)) checkAddress(address)
    if (address % multiple !== 0) rangeError('address', address, `a multiple of ${multiple}`)
    this.#assertRegistered()
    if (address >= 0 && address < TASK_SIZE * PAGE_SIZE) return address
    throw new SegmentationFault('SEGV_MAPERR', address, this.#thread.task.id, access)
  }
}

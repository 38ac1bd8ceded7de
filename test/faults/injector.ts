// A storage that goes wrong on demand: it fails, does less than it was asked for, or stops in the middle.

import { fileSystem, type Storage, type StorageFile } from '../../src/memory.ts'

type Operation = 'open' | 'read' | 'write' | 'sync' | 'truncate'

export class Injector implements Storage {
  /** Operations that fail, and with which errno name. */
  readonly failing = new Map<Operation, string>()
  readonly lockable = true
  /** How many operations are still to fail; then `failing` is cleared. */
  failuresLeft = Infinity
  /** Most bytes that are read or written at a time. */
  bytesMax = Infinity
  /** Called before each operation with its name and how many there were before it. */
  before: (operation: Operation, count: number) => void = () => {}
  count = 0

  open(path: string, flags: number, permissions: number): number {
    this.#enter('open')
    return fileSystem.open(path, flags, permissions)
  }

  close(descriptor: number): void {
    fileSystem.close(descriptor)
  }

  identify(descriptor: number): StorageFile {
    return fileSystem.identify(descriptor)
  }

  read(descriptor: number, buffers: readonly Uint8Array[], position: number): number {
    this.#enter('read')
    return fileSystem.read(descriptor, this.#shorten(buffers), position)
  }

  write(descriptor: number, buffers: readonly Uint8Array[], position: number): number {
    this.#enter('write')
    return fileSystem.write(descriptor, this.#shorten(buffers), position)
  }

  sync(descriptor: number): void {
    this.#enter('sync')
    fileSystem.sync(descriptor)
  }

  truncate(descriptor: number, size: number): void {
    this.#enter('truncate')
    fileSystem.truncate(descriptor, size)
  }

  #enter(operation: Operation): void {
    this.before(operation, this.count++)
    const code = this.failing.get(operation)
    if (code === undefined) return
    if (--this.failuresLeft <= 0) {
      this.failing.clear()
      this.failuresLeft = Infinity
    }
    throw Object.assign(new Error(`${operation}: injected`), { code })
  }

  #shorten(buffers: readonly Uint8Array[]): readonly Uint8Array[] {
    if (this.bytesMax === Infinity) return buffers
    return buffers.slice(0, 1).map((buffer) => buffer.subarray(0, this.bytesMax))
  }
}

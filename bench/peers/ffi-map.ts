// A file that is mapped by the operating system's own mmap, called through koffi (npm), which has binaries for the
// usual platforms. It is no dependency: `npm install --no-save koffi`, or where `folder` says that it is installed.

import { closeSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/** The part of koffi that is used. */
interface Koffi {
  load(path: string): { func(declaration: string): (...values: unknown[]) => unknown }
  view(pointer: unknown, bytes: number): ArrayBuffer
}

export interface FfiMap {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** msync(MS_SYNC) of `length` bytes from `offset` on, both multiples of 4096. */
  sync(offset: number, length: number): void
  close(): void
}

const READ_WRITE = 3
const MAP_SHARED = 1
const MS_SYNC = 4

/** Maps the file at `path`, which has so many bytes. Returns null where koffi cannot be loaded. */
export function mapByFfi(folder: string, path: string, bytes: number): FfiMap | null {
  let koffi: Koffi
  try {
    koffi = createRequire(join(folder, 'from.js'))('koffi') as Koffi
  } catch {
    return null
  }
  const libc = koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6')
  const mmap = libc.func(
    'void *mmap(void *address, size_t length, int protection, int flags, int file, int64_t at)',
  )
  const msync = libc.func('int msync(size_t address, size_t length, int flags)')
  const munmap = libc.func('int munmap(void *address, size_t length)')
  const file = openSync(path, 'r+')
  const pointer = mmap(null, bytes, READ_WRITE, MAP_SHARED, file, 0)
  const buffer = koffi.view(pointer, bytes)
  const address = addressOf(pointer)
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    sync(offset, length) {
      if (msync(address + BigInt(offset), length, MS_SYNC) !== 0) throw new Error('msync has failed')
    },
    close() {
      munmap(pointer, bytes)
      closeSync(file)
    },
  }
}

/** koffi gives a pointer as a BigInt since version 3. */
function addressOf(pointer: unknown): bigint {
  if (typeof pointer !== 'bigint') throw new Error('koffi 3 or newer is needed')
  return pointer
}

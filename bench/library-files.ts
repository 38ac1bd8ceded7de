// The cases of bench/library.ts that use files on disk.

import { fdatasyncSync, readSync, writeSync } from 'node:fs'
import { type Case, RECORD, RECORDS, type World, scattered } from './library-world.ts'

/** Of all three kinds: in a file that is mapped, that grows, and beside the operating system's own mmap. */
export function fileCases(world: World): Case[] {
  return [files, growing, mappedFiles].flatMap((make) => make(world))
}

/** Where record `n` is in the file. */
function place(n: number): number {
  return RECORD * scattered(n, RECORDS)
}

function writeRecords({ space, file }: World, operations: number): number {
  for (let n = 0; n < operations; n++)
    space.withRange(file + place(n), RECORD, 'rw', (bytes) => void bytes.fill(n))
  return operations
}

/** A log of 1,024 records, made safe after each 64. */
function writeLog({ space, file }: World): number {
  for (let n = 0; n < 1024; n++) {
    space.withRange(file + n * RECORD, RECORD, 'rw', (bytes) => void bytes.fill(n))
    if (n % 64 === 63) space.msync(file + (((n - 63) * RECORD) & -4096), 4096)
  }
  return 1024
}

function files(world: World): Case[] {
  const { space, file, descriptor } = world
  const operations = 10_000
  const record = new Uint8Array(RECORD)
  return [
    {
      name: 'a record of a file, written by withRange',
      peer: 'writeSync',
      operations,
      ours: () => writeRecords(world, operations),
      theirs() {
        for (let n = 0; n < operations; n++) {
          record.fill(n)
          writeSync(descriptor, record, 0, RECORD, place(n))
        }
        return operations
      },
    },
    {
      name: 'a record of a file, read by withRange',
      peer: 'readSync',
      operations,
      ours() {
        let sum = 0
        for (let n = 0; n < operations; n++)
          sum += space.withRange(file + place(n), RECORD, 'r', (bytes) => bytes[n & 63]!)
        return sum
      },
      theirs() {
        let sum = 0
        for (let n = 0; n < operations; n++) {
          readSync(descriptor, record, 0, RECORD, place(n))
          sum += record[n & 63]!
        }
        return sum
      },
    },
    {
      name: 'a log, msync after 64 records',
      peer: 'writeSync, fdatasync',
      operations: 1024,
      ours: () => writeLog(world),
      theirs() {
        for (let n = 0; n < 1024; n++) {
          record.fill(n)
          writeSync(descriptor, record, 0, RECORD, n * RECORD)
          if (n % 64 === 63) fdatasyncSync(descriptor)
        }
        return 1024
      },
    },
  ]
}

/** The same file cases, beside the operating system's own mmap. None where koffi is not there. */
function mappedFiles(world: World): Case[] {
  const { ffi } = world
  if (ffi === null) return []
  const operations = 10_000
  return [
    {
      name: 'a record of a file, written, beside mmap',
      peer: 'mmap by FFI',
      operations,
      ours: () => writeRecords(world, operations),
      theirs() {
        for (let n = 0; n < operations; n++) ffi.bytes.fill(n, place(n), place(n) + RECORD)
        return operations
      },
    },
    {
      name: 'a log, msync after 64 records, beside mmap',
      peer: 'mmap by FFI',
      operations: 1024,
      ours: () => writeLog(world),
      theirs() {
        for (let n = 0; n < 1024; n++) {
          ffi.bytes.fill(n, n * RECORD, (n + 1) * RECORD)
          if (n % 64 === 63) ffi.sync(((n - 63) * RECORD) & -4096, 4096)
        }
        return 1024
      },
    },
  ]
}

/** A log that grows by what is appended, which its file is made safe of each 64 records. */
function growing({ log, logDescriptor }: World): Case[] {
  const record = new Uint8Array(RECORD)
  return [
    {
      name: 'a log that grows, sync after 64 records',
      peer: 'writeSync, fdatasync',
      operations: 1024,
      ours() {
        for (let n = 0; n < 1024; n++) {
          log.append(record.fill(n))
          if (n % 64 === 63) log.sync()
        }
        return 1024
      },
      theirs() {
        for (let n = 0; n < 1024; n++) {
          writeSync(logDescriptor, record.fill(n))
          if (n % 64 === 63) fdatasyncSync(logDescriptor)
        }
        return 1024
      },
    },
  ]
}

// A program that keeps its data on disk and is killed in the middle of it. What must be left: killed-programs.ts.
//
//   program-child.ts PROGRAM PATH      says on its standard output a number for all that is safe by then
//
// The log and the table have less memory than data, so that pages are also written to make room.

import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { Machine } from '../../src/memory.ts'
import { ACCOUNTS, BALANCE, SLOTS, SLOT_BYTES, keyOf, logRecord, slotOf } from './program-data.ts'

const PAGE = 4096
const FLUSHER = { dirtyBackgroundRatio: 10, dirtyWritebackMs: 20, dirtyExpireMs: 20 } as const

function acknowledge(number: number): void {
  writeSync(1, `${number}\n`)
}

/** A log: records, of which some are made safe at a time. */
function log(path: string): never {
  const machine = Machine.create({ memory: '1MiB', cpus: 1, writeback: FLUSHER })
  const file = machine.openFile(path, { mode: 'w+' })
  for (let number = 0; ;) {
    for (let left = 1 + (number % 23); left > 0; left--) file.append(logRecord(number++))
    file.sync()
    acknowledge(number)
  }
}

/**
 * A hash table in a mapping: each round sets the value of a key. It overwrites values that are safe. So no other thread
 * writes pages back: it could write one in the middle of that.
 */
function table(path: string): never {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const bytes = SLOTS * SLOT_BYTES
  const file = machine.openFile(path, { mode: 'w+', size: bytes })
  const space = machine.createAddressSpace()
  const base = space.mmap(bytes, { file, shared: true })
  for (let round = 1; ;) {
    for (let left = 1 + (round % 41); left > 0; left--, round++) {
      const key = keyOf(round)
      let slot = key % SLOTS
      // Linear probing: the key's own slot, or the first that is free.
      for (let found = -1; found !== key && found !== 0;) {
        found = space.readUint32(base + slot * SLOT_BYTES + 4)
        if (found !== key && found !== 0) slot = (slot + 1) % SLOTS
      }
      space.write(base + slot * SLOT_BYTES, slotOf(key, round))
    }
    space.msync(base, bytes)
    acknowledge(round - 1)
  }
}

/** Accounts that are saved as they are at one moment, into a file that takes the place of the one before. */
async function snapshots(path: string): Promise<never> {
  const bytes = ACCOUNTS * 4
  const machine = Machine.create({ memory: 4 * bytes + 2 ** 20, cpus: 1 })
  const space = machine.createAddressSpace()
  const base = space.mmap(bytes + PAGE)
  for (let account = 0; account < ACCOUNTS; account++) space.writeInt32(base + 4 * account, BALANCE)
  for (let save = 1, state = 1; ; save++) {
    space.writeUint32(base + bytes, save)
    using snapshot = space.snapshot()
    const descriptor = openSync(`${path}.new`, 'w')
    for (let at = 0; at < bytes + PAGE; at += 16 * PAGE) {
      snapshot.writeTo(descriptor, base + at, Math.min(16 * PAGE, bytes + PAGE - at))
      for (let n = 0; n < 200; n++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
        space.subUint32(base + 4 * (state % ACCOUNTS), 1)
        space.addUint32(base + 4 * ((state >>> 8) % ACCOUNTS), 1)
      }
      // oxlint-disable-next-line no-await-in-loop -- requests come in
      await turn()
    }
    fdatasyncSync(descriptor)
    closeSync(descriptor)
    renameSync(`${path}.new`, path)
    const folder = openSync(dirname(path), 'r')
    fsyncSync(folder)
    closeSync(folder)
    acknowledge(save)
  }
}

const [program, path] = process.argv.slice(2) as [string, string]
if (program === 'log') log(path)
else if (program === 'table') table(path)
else await snapshots(path)

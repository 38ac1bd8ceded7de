// A log whose records are safe on disk when they are said to be: ten at a time, then one flush.
//
// With Faultline, a record is appended to the file in the page cache, where a mapping finds it, and sync makes safe
// what was appended. In plain JavaScript it is appended with writeSync, and fdatasync makes it safe; or a database has
// it in a table. All read the log again at the end, as after a crash, up to the first record whose checksum is wrong.

import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { type DiskFile, Machine } from 'faultline/memory'
import { sideBySide } from './side-by-side.ts'

/** Of a record, with its checksum in front: four bytes. */
const RECORD = 128
const BATCH = 10

function record(number: number): Uint8Array {
  const bytes = new Uint8Array(RECORD)
  const view = new DataView(bytes.buffer)
  for (let at = 4; at < RECORD; at += 4) view.setUint32(at, Math.imul(number + 1, at), true)
  view.setUint32(0, crc32(bytes.subarray(4)), true)
  return bytes
}

/** How many records there are, and a checksum over all. */
function recover(log: Uint8Array): unknown {
  const view = new DataView(log.buffer, log.byteOffset, log.length)
  let [count, sum] = [0, 0]
  for (let at = 0; at + RECORD <= log.length; at += RECORD) {
    const bytes = log.subarray(at, at + RECORD)
    if (view.getUint32(at, true) !== crc32(bytes.subarray(4))) break
    count++
    sum = crc32(bytes, sum)
  }
  return { count, sum }
}

async function mapped(records: number, folder: string): Promise<unknown> {
  const path = join(folder, 'log')
  const machine = Machine.create({ memory: '8MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const file: DiskFile = machine.openFile(path, { mode: 'w+' })
  // More than the file will ever be: what is beyond its end is mapped, and there when the file has grown.
  const base = space.mmap(records * RECORD, { file, shared: true })
  for (let number = 0; number < records; number++) {
    const bytes = record(number)
    const at = file.append(bytes)
    if (number % BATCH !== BATCH - 1) continue
    file.sync()
    // Whoever has the mapping reads what is safe: here, whether the last record is the one that was appended.
    if (space.readUint32(base + at) !== new DataView(bytes.buffer).getUint32(0, true)) throw new Error('lost')
  }
  space.destroy()
  file.close()
  machine.detach()
  return recover(readFileSync(path))
}

async function appended(records: number, folder: string): Promise<unknown> {
  const path = join(folder, 'log')
  const file = openSync(path, 'a')
  for (let number = 0; number < records; number++) {
    writeSync(file, record(number))
    if (number % BATCH === BATCH - 1) fdatasyncSync(file)
  }
  closeSync(file)
  return recover(readFileSync(path))
}

async function batched(records: number, folder: string): Promise<unknown> {
  const path = join(folder, 'log')
  const file = openSync(path, 'a')
  for (let number = 0; number < records; number += BATCH) {
    writeSync(file, Buffer.concat(Array.from({ length: BATCH }, (_, index) => record(number + index))))
    fdatasyncSync(file)
  }
  closeSync(file)
  return recover(readFileSync(path))
}

async function inserted(records: number, folder: string): Promise<unknown> {
  const database = new DatabaseSync(join(folder, 'log'))
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  database.exec('CREATE TABLE log (number INTEGER PRIMARY KEY, record BLOB)')
  const insert = database.prepare('INSERT INTO log VALUES (?, ?)')
  for (let number = 0; number < records; number++) {
    if (number % BATCH === 0) database.exec('BEGIN')
    insert.run(number, record(number))
    if (number % BATCH === BATCH - 1) database.exec('COMMIT')
  }
  const rows = database.prepare('SELECT record FROM log ORDER BY number').all() as { record: Uint8Array }[]
  database.close()
  return recover(Buffer.concat(rows.map((row) => row.record)))
}

await sideBySide(import.meta.url, {
  title: 'a log that is flushed after every tenth record',
  sides: {
    faultline: mapped,
    'writeSync each': appended,
    'writeSync a batch': batched,
    'node:sqlite': inserted,
  },
  small: 200,
  full: 20_000,
  unit: 'records',
})

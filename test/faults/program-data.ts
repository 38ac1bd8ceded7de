// What the programs write that are killed, so that who looks at their files afterwards knows what must be there.

import { crc32 } from 'node:zlib'

const RECORD_BYTES = 128

/** Of the log: the number of a record, and what follows from it, behind a checksum. */
export function logRecord(number: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_BYTES)
  const view = new DataView(bytes.buffer)
  for (let at = 4; at < RECORD_BYTES; at += 4) view.setUint32(at, Math.imul(number + 1, at), true)
  return sealed(bytes)
}

/** How many records there are up to the first that is not as it was written. */
export function recordsIn(log: Uint8Array): number {
  let count = 0
  while ((count + 1) * RECORD_BYTES <= log.length) {
    const found = log.subarray(count * RECORD_BYTES, (count + 1) * RECORD_BYTES)
    if (Buffer.compare(found, logRecord(count)) !== 0) break
    count++
  }
  return count
}

/** Of the hash table: 2 MiB, in which half the slots are used in the end. */
export const SLOTS = 32_768
export const SLOT_BYTES = 64
const KEYS = SLOTS / 2

/** Which key a round sets; never 0. A key comes again after KEYS rounds. */
export function keyOf(round: number): number {
  return 1 + (Math.imul(round % KEYS, 0x9e37_79b1) >>> 1)
}

/** A slot: a checksum, the key, and its value. */
export function slotOf(key: number, value: number): Uint8Array {
  const bytes = new Uint8Array(SLOT_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(4, key, true)
  view.setUint32(8, value, true)
  return sealed(bytes)
}

/** All keys and their values. Throws where a slot is not as one was written. */
export function tableIn(bytes: Uint8Array): Map<number, number> {
  const values = new Map<number, number>()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
    const [key, value] = [view.getUint32(at + 4, true), view.getUint32(at + 8, true)]
    const found = bytes.subarray(at, at + SLOT_BYTES)
    if (key === 0 && found.every((byte) => byte === 0)) continue
    if (Buffer.compare(found, slotOf(key, value)) !== 0) throw new Error(`the slot at ${at} is torn`)
    values.set(key, value)
  }
  return values
}

/** Of the snapshots: 256 KiB of accounts, whose sum is always the same. */
export const ACCOUNTS = 65_536
export const BALANCE = 1000

function sealed(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint32(0, crc32(bytes.subarray(4)), true)
  return bytes
}

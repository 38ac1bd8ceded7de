// A bank saves all its accounts, as they are at one moment, while transfers go on.
//
// With Faultline, the moment is that of a snapshot: from then on, whoever writes to a page of it gets a copy of that
// page. In plain JavaScript all accounts are copied first, and nothing else happens meanwhile.

import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { Machine } from 'faultline/memory'
import { sideBySide } from './side-by-side.ts'

const BALANCE = 1000
/** In each turn of the main thread. */
const TRANSFERS = 200
/** How often all accounts are saved. */
const SAVES = 3
const PAGE = 4096

/** Done when all is made. */
type Work = () => Promise<unknown>

interface Bank {
  transfer(from: number, to: number, amount: number): void
  /** Begins to save what the accounts are now. */
  save(path: string): Promise<void>
}

/** Saves while it transfers. What was saved has the sum that there always is; returns it, and what the end is. */
async function run(bank: Bank, accounts: number, folder: string): Promise<unknown> {
  let state = 1
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const sums: number[] = []
  for (let save = 0; save < SAVES; save++) {
    const path = join(folder, `accounts-${save}`)
    const saving = new AbortController()
    const saved = bank.save(path).finally(() => saving.abort())
    while (!saving.signal.aborted) {
      for (let n = 0; n < TRANSFERS; n++) bank.transfer(next(accounts), next(accounts), next(100))
      // oxlint-disable-next-line no-await-in-loop -- requests come in, and the disk has its turn
      await turn()
    }
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await saved
    sums.push(await sumOf(path))
  }
  assert.deepEqual(sums, Array<number>(SAVES).fill(accounts * BALANCE), 'no transfer was saved by half')
  return sums
}

async function sumOf(path: string): Promise<number> {
  let sum = 0
  for await (const part of createReadStream(path) as AsyncIterable<Buffer>)
    for (let at = 0; at < part.length; at += 4) sum += part.readInt32LE(at)
  return sum
}

async function snapshots(accounts: number, folder: string): Promise<Work> {
  const bytes = Math.ceil((4 * accounts) / PAGE) * PAGE
  // The copies of pages need room, and the page tables of the snapshot.
  const machine = Machine.create({ memory: 3 * bytes + 2 ** 20, cpus: 1 })
  const space = machine.createAddressSpace()
  const base = space.mmap(bytes)
  space.withPages(base, bytes, 'rw', (part) => {
    new Int32Array(part.buffer, part.byteOffset, part.length / 4).fill(BALANCE)
  })
  const bank: Bank = {
    transfer(from, to, amount) {
      space.addUint32(base + 4 * from, -amount)
      space.addUint32(base + 4 * to, amount)
    },
    async save(path) {
      using snapshot = space.snapshot()
      const stream = createWriteStream(path)
      await snapshot.writeTo(stream, base, 4 * accounts)
      stream.end()
      await finished(stream)
    },
  }
  return () => run(bank, accounts, folder)
}

async function copies(accounts: number, folder: string): Promise<Work> {
  const balances = new Int32Array(accounts).fill(BALANCE)
  const bank: Bank = {
    transfer(from, to, amount) {
      balances[from]! -= amount
      balances[to]! += amount
    },
    async save(path) {
      const copy = balances.slice()
      const stream = createWriteStream(path)
      stream.end(new Uint8Array(copy.buffer))
      await finished(stream)
    },
  }
  return () => run(bank, accounts, folder)
}

/** As most programs have their state. */
async function objects(accounts: number, folder: string): Promise<Work> {
  const balances = new Map(Array.from({ length: accounts }, (_, id) => [id, { balance: BALANCE }]))
  const bank: Bank = {
    transfer(from, to, amount) {
      balances.get(from)!.balance -= amount
      balances.get(to)!.balance += amount
    },
    async save(path) {
      const copy = Int32Array.from(balances.values(), ({ balance }) => balance)
      const stream = createWriteStream(path)
      stream.end(new Uint8Array(copy.buffer))
      await finished(stream)
    },
  }
  return () => run(bank, accounts, folder)
}

await sideBySide(import.meta.url, {
  title: 'all accounts saved three times while transfers go on',
  sides: { faultline: snapshots, 'an array, copied': copies, 'a Map of objects': objects },
  small: 50_000,
  full: 2_000_000,
  unit: 'accounts',
})

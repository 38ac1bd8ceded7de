// The package on the oldest Node that it takes. The check itself runs on a later one: what Node 22 lacks of the
// language is taken away there, and where the host has a Node 22, that runs the same.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe, it } from 'node:test'

const dist = new URL('../../../dist/', import.meta.url)

/** Runs before any module in the process and in each of its Workers. */
const AWAY = `
const names = ['Float16Array', 'SuppressedError', 'DisposableStack', 'AsyncDisposableStack']
for (const name of names) delete globalThis[name]
delete Atomics.pause
delete RegExp.escape
delete Promise.try
delete Error.isError
delete Math.f16round
delete Math.sumPrecise
delete DataView.prototype.getFloat16
delete DataView.prototype.setFloat16
delete Iterator.concat
delete Map.prototype.getOrInsert
for (const name of ['fromBase64', 'fromHex']) delete Uint8Array[name]
for (const name of ['toBase64', 'toHex', 'setFromBase64', 'setFromHex']) delete Uint8Array.prototype[name]`

const away = ['--import', `data:text/javascript,${encodeURIComponent(AWAY)}`]

/** A Node 22 of the host that the package takes. */
const real = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((file) => existsSync(file))
  .find((file) =>
    /^v22\.(1[5-9]|[2-9]\d)\./.test(spawnSync(file, ['--version'], { encoding: 'utf8' }).stdout),
  )

const MEMORY = `
import { AddressSpace, Machine } from '${new URL('memory.js', dist).href}'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
if (isMainThread) {
  const machine = Machine.create({ memory: '16MiB', cpus: 3 })
  const space = machine.createAddressSpace()
  const at = space.mmap(64 * 4096)
  const workers = Array.from({ length: 2 }, () =>
    new Worker(fileURLToPath(import.meta.url), { workerData: { space: space.handle, at } }))
  await Promise.all(workers.map((worker) => once(worker, 'exit')))
  console.log(space.readUint32(at))
} else {
  const space = AddressSpace.attach(workerData.space)
  for (let n = 0; n < 2000; n++) {
    space.addUint32(workerData.at, 1)
    space.munmap(space.mmap(4096), 4096)
  }
}`

const CHECK = `
import { check } from '${new URL('check.js', dist).href}'
const told = await check({
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [
    (cells) => { while (Atomics.load(cells, 0) === 0) Atomics.pause?.() },
    (cells) => { Atomics.store(cells, 0, 1) },
  ],
  invariant: (cells) => cells[0] === 1,
})
const lost = await check({
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [(cells) => { cells[0]++ }, (cells) => { cells[0]++ }],
  invariant: (cells) => cells[0] === 2,
}).then(() => 'held', (error) => error.message.match(/^race/m)?.[0])
console.log(told.complete, lost)`

const POLL = `
import { check } from '${new URL('check.js', dist).href}'
import { setTimeout as sleep } from 'node:timers/promises'
const { verdict } = await check({
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    async (cells) => {
      while (Atomics.load(cells, 0) === 0) await sleep(1)
      if (Atomics.load(cells, 1) !== 42) throw new Error('too early')
    },
    async (cells) => {
      await sleep(1)
      Atomics.store(cells, 1, 42)
      Atomics.store(cells, 0, 1)
    },
  ],
})
console.log(verdict)`

const USING = `
import { suppressed } from '${new URL('backends/stepped/suppressed.js', dist).href}'
const { name, error, suppressed: before } = suppressed(1, 2)
console.log(name, error, before)`

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  after(() => rmSync(folder, { recursive: true }))

  const programs = {
    'shares memory': [MEMORY, '4000'],
    checks: [CHECK, 'true race'],
    polls: [POLL, 'pass'],
    disposes: [USING, 'SuppressedError 1 2'],
  }
  for (const [what, [program, printed]] of Object.entries(programs)) {
    const file = join(folder, `${what.replace(' ', '-')}.mjs`)
    const run = (node: string, args: string[]): void => {
      writeFileSync(file, program!)
      const { status, stdout, stderr } = spawnSync(node, [...args, file], {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '' },
      })
      assert.deepEqual([status, stdout.trim()], [0, printed], stderr)
    }
    it(`${what} without what Node 22 lacks`, () => run(process.execPath, away))
    it(`${what} on Node 22`, { skip: real === undefined && 'this host has no Node 22' }, () => run(real!, []))
  }
})

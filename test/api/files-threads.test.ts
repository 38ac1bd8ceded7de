// Several threads at one file: what one writes or cuts off, as the others see it.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, type DiskFile, Machine, type MachineOptions } from '../../src/memory.ts'
import type { FilesData } from './files-worker.ts'
import { everySecond } from '../extent.ts'
import { configurations, inUse, PAGE } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-files-'))
after(() => rmSync(folder, { recursive: true }))

/** How long a thread may take before it counts as hanging, in milliseconds. */
const PATIENCE = 60_000

interface Answer {
  readonly wrong: string[]
  readonly values?: Uint32Array
  readonly first?: Uint8Array
  readonly mapped?: number
}

let count = 0

interface Setting {
  readonly machine: Machine
  readonly space: AddressSpace
  readonly file: DiskFile
  readonly path: string
  readonly address: number
  readonly control: Int32Array
  /** Starts the scenario in `threads` threads. Their answers come when they have ended. */
  start(scenario: string, threads: number, rounds?: number): Promise<Answer[]>
}

/** A machine with a file of `pages` pages, mapped; the file is closed and everything given back in the end. */
async function withFile(
  options: Partial<MachineOptions>,
  pages: number,
  body: (setting: Setting) => Promise<void>,
): Promise<void> {
  const path = join(folder, `file-${count++}`)
  writeFileSync(path, new Uint8Array(pages * PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 6, ...options })
  const before = inUse(machine)
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(pages * PAGE, { file, shared: true })
  const control = new Int32Array(new SharedArrayBuffer(64))
  const start = (scenario: string, threads: number, rounds = 0) =>
    within(
      Promise.all(
        Array.from({ length: threads }, (_, thread) => {
          const shared = { space: space.handle, file: file.handle, path, address, pages, control }
          return run({ ...shared, scenario, thread, rounds })
        }),
      ),
      scenario,
    )
  await body({ machine, space, file, path, address, control, start })
  file.close()
  space.destroy()
  assert.deepEqual(inUse(machine), before)
  machine.detach()
}

function run(data: FilesData): Promise<Answer> {
  const worker = new Worker(new URL('./files-worker.ts', import.meta.url), { workerData: data })
  return new Promise((resolve, reject) => {
    let answer: Answer | undefined
    worker.on('message', (message: { result?: Answer; error?: string }) => {
      if (message.result === undefined) reject(new Error(message.error))
      else answer = message.result
    })
    worker.on('error', reject)
    worker.on('exit', () => (answer === undefined ? reject(new Error('no answer')) : resolve(answer)))
  })
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: ${what}`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

async function untilReady(control: Int32Array, threads: number): Promise<void> {
  for (;;) {
    const seen = Atomics.load(control, 0)
    if (seen >= threads) return
    const wait = Atomics.waitAsync(control, 0, seen, PATIENCE)
    if ((await wait.value) === 'timed-out') assert.fail('the threads do not come to work')
  }
}

for (const [row, configuration] of configurations.entries()) {
  describe(`files and threads: ${configuration.design}, ${configuration.rwsem}`, () => {
    const it = everySecond(row)
    it('each thread finds its own words in a file larger than memory [mmapstress01]', async () => {
      await withFile({ ...configuration, memory: '256KiB' }, 128, async ({ file, path, start }) => {
        const answers = await start('ownWords', 4, 500)
        assert.deepEqual(
          answers.flatMap(({ wrong }) => wrong),
          [],
        )
        file.sync()
        const words = new Uint32Array(new Uint8Array(readFileSync(path)).buffer)
        answers.forEach(({ values }, thread) => {
          const onDisk = Array.from(values!, (_, page) => words[(page * PAGE + thread * 64 + 4) / 4])
          assert.deepEqual(onDisk, [...values!])
        })
      })
    })

    it('a file that is cut off under a mapping: bus errors, then zeros, and nothing else', async () => {
      await withFile(configuration, 16, async ({ space, file, path, address, control, start }) => {
        for (let page = 0; page < 8; page++) space.writeUint32(address + page * PAGE, page + 1)
        const running = start('watchTruncation', 2)
        await untilReady(control, 2)
        const deadline = performance.now() + PATIENCE
        for (
          let round = 0;
          round < 40 || Atomics.load(control, 2) < 20 || Atomics.load(control, 3) < 20;
          round++
        ) {
          file.truncate(round % 3 === 0 ? 8 * PAGE : 8 * PAGE + round * 7)
          assert.equal(statSync(path).size, file.size)
          file.truncate(16 * PAGE)
          assert.ok(performance.now() < deadline, 'the threads do not meet both')
        }
        Atomics.store(control, 1, 1)
        const answers = await running
        assert.deepEqual(
          answers.flatMap(({ wrong }) => wrong),
          [],
        )
      })
    })
  })
}

test('threads that open and close one file at once share one kernel file, and lose nothing', async () => {
  await withFile({}, 4, async ({ machine, path, start }) => {
    const answers = await start('openAndClose', 4, 100)
    assert.deepEqual(
      answers.flatMap(({ wrong }) => wrong),
      [],
    )
    assert.equal(machine.usage().files, 1)
    machine.sync()
    const disk = readFileSync(path)
    for (let thread = 0; thread < 4; thread++)
      assert.deepEqual([disk[thread * 8], disk[thread * 8 + 1]], [99, thread])
  })
})

test('writes beyond the end, of several threads, do not cut each other off', async () => {
  await withFile({}, 1, async ({ file, path, start }) => {
    await start('grow', 4, 60)
    file.sync()
    const disk = readFileSync(path)
    assert.equal(disk.length, file.size)
    for (let slot = 0; slot < 240; slot++) {
      if (slot * 1000 < PAGE && disk[slot * 1000] === 0) assert.fail(`slot ${slot} is missing`)
      assert.equal(disk[slot * 1000], (slot % 251) + 1, `slot ${slot}`)
    }
  })
})

test('msync does not return before what another thread is just writing is on disk', async () => {
  await withFile({}, 4, async ({ space, path, address, control, start }) => {
    space.writeUint8(address + PAGE, 7)
    const running = start('syncSlowly', 1)
    await untilReady(control, 1)
    space.msync(address, 4 * PAGE)
    assert.equal(readFileSync(path)[PAGE], 7)
    await running
  })
})

describe(
  'a thread that comes when the file has',
  { skip: process.platform === 'linux' ? false : 'needs /proc' },
  () => {
    for (const [what, change] of [
      ['been renamed', (path: string) => renameSync(path, `${path}-moved`)],
      ['been removed', (path: string) => unlinkSync(path)],
      [
        'been replaced',
        (path: string) => {
          unlinkSync(path)
          writeFileSync(path, 'another')
        },
      ],
    ] as const) {
      test(`${what} finds it through the others`, async () => {
        await withFile({}, 4, async ({ space, file, path, address, start }) => {
          file.write(0, Buffer.from('mark'))
          space.writeUint8(address + PAGE, 7)
          change(path)
          const [answer] = await start('late', 1)
          assert.equal(Buffer.from(answer!.first!).toString(), 'mark')
          assert.equal(answer!.mapped, 7)
        })
      })
    }
  },
)

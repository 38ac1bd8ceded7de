// Threads that read and write blocks of one file at random: through a mapping of a machine whose memory is smaller than
// the file, by system calls, and through the mmap package of npm if it is installed. `npm run bench:files`, with
//
//   --size 256MiB --memory 64MiB --threads 8 --operations 20000 --rounds 5 --design NAME --package NAME
//
// Principles: every way does the same accesses; runs are taken in turn; after each run the file on disk is compared,
// byte by byte, with what must be there, and a run with another content is an error and not a number. Exit code 0: all
// contents were right; 1: not; 2: a wrong call.

import { closeSync, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { BLOCK, type FilesTask, fillBlock, FINISHED, READY, STARTED } from './files-task.ts'

// What is measured is what users run: the built form, whose kernel is one file.
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { Machine, parseSize } = (await import(built('index.js'))) as typeof import('../src/index.ts')
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

interface Settings {
  readonly blocks: number
  readonly memory: number
  readonly threads: number
  readonly operations: number
  readonly rounds: number
  readonly design: string
  readonly package: string
}

interface Run {
  readonly blocksPerSecond: number
  /** From the end of the accesses until everything is safe on disk. */
  readonly syncMs: number
}

function wrongCall(message: string): never {
  console.error(`bench:files: ${message}`)
  process.exit(2)
}

function readSettings(): Settings {
  const options = {
    size: { type: 'string', default: '256MiB' },
    memory: { type: 'string', default: '64MiB' },
    threads: { type: 'string', default: '8' },
    operations: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    design: { type: 'string', default: 'lespinasse-2021' },
    package: { type: 'string', default: '@riaskov/mmap-io' },
  } as const
  try {
    const { values } = parseArgs({ options })
    const whole = (name: 'threads' | 'operations' | 'rounds', most: number) => {
      const value = Number(values[name])
      if (Number.isInteger(value) && value >= 1 && value <= most) return value
      throw new Error(`--${name} must be a whole number from 1 to ${most}, not ${values[name]}`)
    }
    const threads = whole('threads', 64)
    const blocks = Math.floor(parseSize(values.size, '--size') / BLOCK)
    if (blocks < 10 * threads) throw new Error(`--size ${values.size}: too small for ${threads} threads`)
    return {
      blocks,
      memory: parseSize(values.memory, '--memory'),
      threads,
      operations: whole('operations', 1e9),
      rounds: whole('rounds', 1000),
      design: values.design,
      package: values.package,
    }
  } catch (error) {
    return wrongCall((error as Error).message)
  }
}

const settings = readSettings()
const { blocks, threads, operations, rounds } = settings
const folder = mkdtempSync(join(os.tmpdir(), 'faultline-bench-'))
const path = join(folder, 'file')
/** Blocks that are written or compared at a time. */
const CHUNK = 256

function eachChunk(visit: (bytes: Uint8Array, first: number) => void, versions: Uint32Array): void {
  const bytes = new Uint8Array(CHUNK * BLOCK)
  for (let first = 0; first < blocks; first += CHUNK) {
    const count = Math.min(CHUNK, blocks - first)
    for (let block = first; block < first + count; block++) {
      const words = new Uint32Array(bytes.buffer, (block - first) * BLOCK, BLOCK / 4)
      fillBlock(words, block, versions[block]!)
    }
    visit(bytes.subarray(0, count * BLOCK), first)
  }
}

function makeFile(versions: Uint32Array): void {
  const descriptor = openSync(path, 'w')
  eachChunk((bytes, first) => writeSync(descriptor, bytes, 0, bytes.length, first * BLOCK), versions)
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/** How many blocks of the file are not what they must be. */
function countWrong(versions: Uint32Array): number {
  const descriptor = openSync(path, 'r')
  const found = Buffer.alloc(CHUNK * BLOCK)
  let wrong = 0
  eachChunk((bytes, first) => {
    const length = readSync(descriptor, found, 0, bytes.length, first * BLOCK)
    if (Buffer.compare(found.subarray(0, length), bytes) === 0) return
    for (let at = 0; at < bytes.length; at += BLOCK) {
      if (Buffer.compare(found.subarray(at, at + BLOCK), bytes.subarray(at, at + BLOCK)) !== 0) wrong++
    }
  }, versions)
  closeSync(descriptor)
  return wrong
}

/** Waits until `control[word]` is `value`, while this thread hears of workers that fail. */
async function until(control: Int32Array, word: number, value: number): Promise<void> {
  for (;;) {
    const seen = Atomics.load(control, word)
    if (seen === value) return
    const wait = Atomics.waitAsync(control, word, seen)
    if (wait.async) await wait.value
  }
}

let wrongBlocks = 0

async function measure(
  way: FilesTask['way'],
  hotShare: number,
  seed: number,
  sync: () => void,
): Promise<Run> {
  const versions = new Uint32Array(new SharedArrayBuffer(4 * blocks))
  const control = new Int32Array(new SharedArrayBuffer(64))
  const workers = Array.from({ length: threads }, (_, thread) => {
    const task: FilesTask = {
      way,
      path,
      blocks,
      thread,
      threads,
      operations,
      hotShare,
      seed,
      versions,
      control,
    }
    return new Worker(new URL('./files-worker.ts', import.meta.url), { workerData: task })
  })
  const failed = new Promise<never>((_, reject) => workers.forEach((worker) => worker.on('error', reject)))
  failed.catch(() => {})
  const answers = workers.map((worker) => new Promise<number>((resolve) => worker.once('message', resolve)))
  const exits = workers.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())))
  await Promise.race([until(control, READY, threads), failed])
  const start = performance.now()
  Atomics.store(control, STARTED, 1)
  Atomics.notify(control, STARTED)
  await Promise.race([until(control, FINISHED, threads), failed])
  const worked = performance.now()
  sync()
  await Promise.race([Promise.all(exits), failed])
  const synchronised = performance.now()
  for (const answer of answers) wrongBlocks += await answer
  wrongBlocks += countWrong(versions)
  return {
    blocksPerSecond: (threads * operations * 1000) / (worked - start),
    syncMs: synchronised - worked,
  }
}

async function measureMachine(hotShare: number, seed: number): Promise<Run> {
  const { memory, design } = settings
  const machine = Machine.create({ memory, cpus: threads + 1, design })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(blocks * BLOCK, { file, shared: true })
  // As the program would on Linux, where reading ahead does not pay either.
  if (hotShare === 0) space.madvise(address, blocks * BLOCK, 'random')
  const way = { kind: 'faultline', space: space.handle, address } as const
  const run = await measure(way, hotShare, seed, () => file.close())
  space.destroy()
  machine.detach()
  return run
}

async function isInstalled(name: string): Promise<boolean> {
  try {
    await import(name)
    return true
  } catch {
    return false
  }
}

type Way = (hotShare: number, seed: number) => Promise<Run>
const ways = new Map<string, Way>([
  ['faultline, mapped', measureMachine],
  ['fs.readSync, fs.writeSync', (hotShare, seed) => measure({ kind: 'fs' }, hotShare, seed, () => {})],
])
const packageIsThere = await isInstalled(settings.package)
if (packageIsThere) {
  const way: FilesTask['way'] = { kind: 'package', name: settings.package }
  ways.set(settings.package, (hotShare, seed) => measure(way, hotShare, seed, () => {}))
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
console.log(
  `${os.cpus()[0]?.model ?? 'unknown processor'}, ${os.cpus().length} processors, Node ${process.version}`,
)
console.log(
  `${threads} threads, ${operations} accesses each, half reads and half writes, of 4 KiB blocks at random in a file ` +
    `of ${mebibytes(blocks * BLOCK)}; the machine has ${mebibytes(settings.memory)}, ${settings.design}`,
)
if (!packageIsThere)
  console.log(`${settings.package} is not installed: npm install --no-save ${settings.package}`)

try {
  for (const [title, hotShare] of [
    ['all over the file', 0],
    ['nine of ten in a tenth of the file', 0.9],
  ] as const) {
    const runs = new Map<string, Run[]>([...ways.keys()].map((name) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, way] of ways) {
        makeFile(new Uint32Array(blocks))
        runs.get(name)!.push(await way(hotShare, round + 1))
      }
    }
    console.log(`\n${title}: MiB/s as median (range), then what it takes until all is safe on disk`)
    for (const [name, list] of runs) {
      const speed = spread(list.map(({ blocksPerSecond }) => (blocksPerSecond * BLOCK) / 2 ** 20))
      const sync = spread(list.map(({ syncMs }) => syncMs))
      const [low, middle, high] = [speed.min, speed.median, speed.max].map((value) => value.toFixed(0))
      const syncText = `${sync.median.toFixed(0)} ms (${sync.min.toFixed(0)}–${sync.max.toFixed(0)})`
      console.log(`  ${name.padEnd(28)}${middle!.padStart(6)} (${low}–${high})`.padEnd(56) + syncText)
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}
console.log(wrongBlocks === 0 ? '\nall contents right' : `\n${wrongBlocks} blocks wrong`)
process.exitCode = wrongBlocks === 0 ? 0 : 1

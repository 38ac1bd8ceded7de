// Threads that read and write blocks of one file, at random or in order: through a mapping of a machine whose memory is
// smaller than the file, by system calls, and through the mmap package of npm if it is installed. It is started by
// `npm run bench:files`, with
//
//   --size 256MiB --memory 64MiB --threads 8 --operations 20000 --rounds 5 --design NAME
//   --package NAME --package-folder FOLDER --package-node PATH    where it is installed, and the Node it was built for
//
// Principles: every way does the same accesses; runs are taken in turn; after each run the file on disk is compared,
// byte by byte, with what must be there, and a run with another content is an error and not a number. Exit code 0: all
// contents were right; 1: not; 2: a wrong call.

import { execFileSync } from 'node:child_process'
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type FilesResult, type FilesRun, runFiles } from './files-run.ts'
import { BLOCK, type FilesTask, type Pattern, fillBlock } from './files-task.ts'

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
  /** From where the package is looked for, and the Node that it was built for. */
  readonly packageFolder: string
  readonly node: string
}

type Run = Pick<FilesResult, 'blocksPerSecond' | 'cpuNanoseconds' | 'syncMs'>

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
    'package-folder': { type: 'string', default: process.cwd() },
    'package-node': { type: 'string', default: process.execPath },
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
      packageFolder: values['package-folder'],
      node: values['package-node'],
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

let wrongBlocks = 0

async function measure(
  way: FilesTask['way'],
  pattern: Pattern,
  seed: number,
  sync: () => void,
): Promise<Run> {
  return checked(await runFiles({ way, path, blocks, threads, operations, pattern, seed }, sync))
}

function checked({ wrong, versions, blocksPerSecond, cpuNanoseconds, syncMs }: FilesResult): Run {
  wrongBlocks += wrong + countWrong(versions)
  return { blocksPerSecond, cpuNanoseconds, syncMs }
}

/** The same accesses through a package, in a process of a Node that can load it. */
function measurePackage(node: string, name: string, pattern: Pattern, seed: number): Run {
  const task: FilesRun = { way: { kind: 'package', name }, path, blocks, threads, operations, pattern, seed }
  const exchange = join(folder, 'run.json')
  writeFileSync(exchange, JSON.stringify(task))
  execFileSync(node, [join(folder, 'files-run.mjs'), exchange], { stdio: ['ignore', 'ignore', 'inherit'] })
  const result = JSON.parse(readFileSync(exchange, 'utf8')) as FilesResult
  return checked({ ...result, versions: Uint32Array.from(result.versions) })
}

/** Puts what a run needs where every Node can read it, without the types. */
function stripForOtherNode(): void {
  for (const module of ['files-run', 'files-worker', 'files-task']) {
    const source = readFileSync(new URL(`./${module}.ts`, import.meta.url), 'utf8')
    const code = stripTypeScriptTypes(source).replaceAll(/from '(\.\/files-\w+)\.ts'/g, "from '$1.mjs'")
    writeFileSync(join(folder, `${module}.mjs`), code)
  }
}

async function measureMachine(pattern: Pattern, seed: number): Promise<Run> {
  const { memory, design } = settings
  const machine = Machine.create({ memory, cpus: threads + 1, design })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(blocks * BLOCK, { file, shared: true })
  // As a program would on Linux that reads here and there, where reading around each page does not pay either.
  if (pattern !== 'sequential') space.madvise(address, blocks * BLOCK, 'random')
  const way = { kind: 'faultline', space: space.handle, address } as const
  const run = await measure(way, pattern, seed, () => file.close())
  space.destroy()
  machine.detach()
  return run
}

type Way = (pattern: Pattern, seed: number) => Run | Promise<Run>
const ways = new Map<string, Way>([
  ['faultline, mapped', measureMachine],
  ['fs.readSync, fs.writeSync', (pattern, seed) => measure({ kind: 'fs' }, pattern, seed, () => {})],
])
const packageEntry = findPackage(settings.package)
if (packageEntry !== null) {
  stripForOtherNode()
  ways.set(settings.package, (pattern, seed) => measurePackage(settings.node, packageEntry, pattern, seed))
}

/** Where the package begins, or null when it cannot be loaded. */
function findPackage(name: string): string | null {
  try {
    const entry = createRequire(join(settings.packageFolder, 'from-here.js')).resolve(name)
    execFileSync(settings.node, ['-e', `require(${JSON.stringify(entry)})`], { stdio: 'ignore' })
    return entry
  } catch {
    return null
  }
}

const mebibytes = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`
console.log(
  `${os.cpus()[0]?.model ?? 'unknown processor'}, ${os.cpus().length} processors, Node ${process.version}`,
)
console.log(
  `${threads} threads, ${operations} accesses each, of 4 KiB blocks, at random half reads and half writes, in a file ` +
    `of ${mebibytes(blocks * BLOCK)}; the machine has ${mebibytes(settings.memory)}, ${settings.design}`,
)
if (packageEntry === null) {
  console.log(
    `${settings.package} cannot be loaded: npm install --no-save it, or use --package-folder and --package-node`,
  )
} else if (settings.node !== process.execPath) {
  const version = execFileSync(settings.node, ['--version']).toString().trim()
  console.log(`${settings.package} runs in a process of Node ${version}`)
}

try {
  for (const [title, pattern] of [
    ['all over the file', 'uniform'],
    ['nine of ten in a tenth of the file', 'skewed'],
    ['one block after the other, read only', 'sequential'],
  ] as const) {
    const runs = new Map<string, Run[]>([...ways.keys()].map((name) => [name, []]))
    for (let round = 0; round < rounds; round++) {
      for (const [name, way] of ways) {
        makeFile(new Uint32Array(blocks))
        runs.get(name)!.push(await way(pattern, round + 1))
      }
    }
    console.log(
      `\n${title}: MiB/s as median (range), CPU of an access, then what it takes until all is safe on disk`,
    )
    for (const [name, list] of runs) {
      const speed = spread(list.map(({ blocksPerSecond }) => (blocksPerSecond * BLOCK) / 2 ** 20))
      const cpu = spread(list.map(({ cpuNanoseconds }) => cpuNanoseconds / 1000))
      const sync = spread(list.map(({ syncMs }) => syncMs))
      const [low, middle, high] = [speed.min, speed.median, speed.max].map((value) => value.toFixed(0))
      const syncText = `${sync.median.toFixed(0)} ms (${sync.min.toFixed(0)}–${sync.max.toFixed(0)})`
      const cpuText = `${cpu.median.toFixed(1)} µs (${cpu.min.toFixed(1)}–${cpu.max.toFixed(1)})`.padEnd(20)
      console.log(
        `  ${name.padEnd(28)}${middle!.padStart(6)} (${low}–${high})`.padEnd(56) + cpuText + syncText,
      )
    }
  }
} finally {
  rmSync(folder, { recursive: true })
}
console.log(wrongBlocks === 0 ? '\nall contents right' : `\n${wrongBlocks} blocks wrong`)
process.exitCode = wrongBlocks === 0 ? 0 : 1

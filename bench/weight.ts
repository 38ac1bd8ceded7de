// What the package weighs, and what it costs a process, or a worker, to load each of its doors.
// `npm run bench:weight`, with `--rounds 21`.
//
// Principles: each load is a process of its own, beside one that loads nothing; they are run in turn within each round,
// and what is told is the median with its range. A worker is counted in the process that starts five, one after the
// other, and waits for their end.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../', import.meta.url))
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

const WORKERS = 5
const programs = ['nothing', 'faultline/memory', 'faultline/check', 'faultline']
/** CPU of the process, how long the import, or the workers, took, and the largest resident set. */
const units = ['ms of CPU', 'ms until it is loaded', 'MiB'] as const

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '21' } } })
const rounds = Number(values.rounds)
if (!Number.isInteger(rounds) || rounds < 1)
  throw new RangeError(`--rounds ${values.rounds}: a whole number from 1`)

tellPackage()
tell('a process', (load) => load)
tell(`${WORKERS} workers of a process, one after the other, together with it`, inWorkers)

/** Runs `load` in a process, and returns a number for each of `units`. */
function measure(load: string): number[] {
  const code = `const begun = performance.now()
    ${load}
    const took = performance.now() - begun
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
    console.log(JSON.stringify([(userCPUTime + systemCPUTime) / 1000, took, maxRSS / 1024]))`
  // What speeds up the start of this process, a cache of compiled code, is not what a user has.
  const { NODE_OPTIONS: _, NODE_COMPILE_CACHE: __, ...env } = process.env
  const args = ['--input-type=module', '--eval', code]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' })) as number[]
}

/** The code that has workers do what `load` does. */
function inWorkers(load: string): string {
  return `const { Worker } = await import('node:worker_threads')
    for (let i = 0; i < ${WORKERS}; i++) {
      const worker = new Worker(${JSON.stringify(load)}, { eval: true })
      await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject))
    }`
}

function tell(title: string, wrap: (load: string) => string): void {
  const samples = programs.map(() => units.map((): number[] => []))
  for (let round = 0; round < rounds; round++) {
    for (const [index, program] of programs.entries()) {
      const load = program === 'nothing' ? '' : `await import(${JSON.stringify(program)})`
      for (const [unit, sample] of measure(wrap(load)).entries()) samples[index]![unit]!.push(sample)
    }
  }
  console.log(`\nto load in ${title}: median (range) of ${rounds}`)
  for (const [index, program] of programs.entries()) {
    const figures = units.map((unit, at) => {
      const { median, min, max } = spread(samples[index]![at]!)
      return `${median.toFixed(0)} (${min.toFixed(0)}–${max.toFixed(0)}) ${unit}`
    })
    console.log(`  ${program.padEnd(18)}${figures.join(', ')}`)
  }
}

/** Bytes and files of the package, by what they are. */
function tellPackage(): void {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json']
  const [pack] = JSON.parse(
    execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  ) as { size: number; unpackedSize: number; files: { path: string; size: number }[] }[]
  const { size, unpackedSize, files } = pack!
  const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`
  console.log(
    `package: ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} in ${files.length} files, of which`,
  )
  const kinds: [string, (path: string) => boolean][] = [
    ['modules', (path) => /^dist\/.*\.js$/.test(path)],
    ['declarations', (path) => path.endsWith('.d.ts')],
    ['source maps', (path) => path.endsWith('.map')],
    ["the kernel's source", (path) => path.startsWith('dist/src/')],
    ['docs', (path) => path.endsWith('.md')],
  ]
  for (const [name, isOne] of kinds) {
    const ones = files.filter(({ path }) => isOne(path))
    const bytes = ones.reduce((sum, file) => sum + file.size, 0)
    console.log(`  ${name.padEnd(20)}${kilobytes(bytes).padStart(8)} in ${ones.length} files`)
  }
}

// The standing set of benchmarks in one go: `npm run bench`, and `npm run bench -- --save NAME` to keep the
// report.
//
// Principles: the set is what the claims of this project are measured by, so it is fixed here and not on
// the command line; a report says on what it was measured (processor, kernel, Node), and nothing that tells
// whose machine it was.
import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { BenchOptions, BenchResult, Spread, WorkloadName } from '../src/workloads/index.ts'

// What is measured is what users run: the built form, whose kernel is one file.
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { designs } = (await import(built('index.js'))) as typeof import('../src/index.ts')
const { benchText, formatCount, formatQuantity, formatQuantityRange, styleFor } = (await import(
  built('report/index.js')
)) as typeof import('../src/report/index.ts')
const { importTrace } = (await import(built('trace/index.js'))) as typeof import('../src/trace/index.ts')
const { DEFAULT_BYTES_PER_THREAD, findWorkload, LinuxPeer, PeerError, runBench, spread } = (await import(
  built('workloads/index.js')
)) as typeof import('../src/workloads/index.ts')

interface Benchmark {
  readonly workload: WorkloadName
  readonly rwsems: BenchOptions['rwsems']
  readonly config?: BenchOptions['config']
  /** The claim that it is there for. */
  readonly question: string
}

const BENCHMARKS: readonly Benchmark[] = [
  {
    workload: 'page_fault1',
    rwsems: 'year',
    question: 'How many anonymous faults a second, beside Linux?',
  },
  {
    workload: 'page_fault1',
    rwsems: 'year',
    config: { ZERO_WRITTEN_SECTORS: false },
    question: 'How many of them when every frame is zeroed whole, as hardware must?',
  },
  { workload: 'page_fault3', rwsems: 'year', question: 'How many faults a second on files, beside Linux?' },
  { workload: 'mmap1', rwsems: 'year', question: 'What do mmap and munmap themselves cost?' },
  {
    workload: 'read-fault',
    rwsems: ['xadd', 'generic', 'spinning'],
    question: 'What does the design decide, where a fault does little besides locking?',
  },
  {
    workload: 'fault-beside-writer',
    rwsems: ['xadd', 'generic', 'spinning'],
    question: 'What do faults wait for, while another thread changes the layout?',
  },
  {
    workload: 'vma',
    rwsems: 'year',
    question: 'How much is done where all threads want the mmap lock all the time?',
  },
]

const IMPORT_QUESTION = 'How fast is a recorded trace read?'
const TRACE = fileURLToPath(new URL('../test/fixtures/traces/node-workers.perf.txt.gz', import.meta.url))

/** How fast traces are read: lines a second of one processor, so that decompression beside it does not flatter. */
interface ImportRate {
  readonly lines: number
  readonly linesPerSecond: Spread
  readonly linesPerProcessorSecond: Spread
}

async function measureImport(repetitions: number): Promise<ImportRate> {
  let lines = 0
  const perSecond: number[] = []
  const perProcessorSecond: number[] = []
  // The first is warm-up.
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    const start = performance.now()
    const processorStart = process.cpuUsage()
    const trace = await importTrace(TRACE)
    const { user, system } = process.cpuUsage(processorStart)
    const seconds = (performance.now() - start) / 1000
    lines = trace.lines
    trace.close()
    if (repetition === 0) continue
    perSecond.push(lines / seconds)
    perProcessorSecond.push(lines / ((user + system) / 1e6))
  }
  return { lines, linesPerSecond: spread(perSecond), linesPerProcessorSecond: spread(perProcessorSecond) }
}

function importText({ lines, linesPerSecond, linesPerProcessorSecond }: ImportRate): string {
  const figure = ({ median, min, max }: Spread): string =>
    `${formatQuantity(median)} (${formatQuantityRange(min, max)})`
  return `import of ${formatCount(lines)} lines: ${figure(linesPerSecond)} lines a second, ${figure(linesPerProcessorSecond)} of one processor\n`
}

interface Machine {
  readonly processor: string
  readonly processors: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  readonly date: string
}

function describeMachine(): Machine {
  return {
    processor: os.cpus()[0]?.model.trim() ?? 'unknown',
    processors: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${/^[\d.]*\d/.exec(os.release())?.[0] ?? os.release()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  }
}

async function findPeer(): Promise<'linux' | null> {
  try {
    const peer = await LinuxPeer.compile()
    peer.close()
    return 'linux'
  } catch (error) {
    if (!(error instanceof PeerError)) throw error
    process.stderr.write(`bench: without the Linux peer: ${error.message}\n`)
    return null
  }
}

function toMarkdown(machine: Machine, imported: ImportRate, results: readonly BenchResult[]): string {
  const sections = results.map((result, number) => {
    const { question } = BENCHMARKS[number]!
    return `## ${result.workload}\n\n${question}\n\n\`\`\`text\n${benchText(result)}\`\`\`\n`
  })
  return [
    `# Benchmarks, ${machine.date}`,
    '',
    `${machine.processor}, ${machine.processors} processors, ${machine.memoryGiB} GiB; ${machine.kernel}; Node.js ${machine.node}.`,
    'What each workload does and how it is counted: docs/bench.md.',
    '',
    `## Import\n\n${IMPORT_QUESTION}\n\n\`\`\`text\n${importText(imported)}\`\`\`\n`,
    ...sections,
  ].join('\n')
}

const { values } = parseArgs({
  options: {
    save: { type: 'string' },
    seconds: { type: 'string', default: '2' },
    warmup: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1,2' },
  },
})
if (values.save !== undefined && !/^[\w.-]+$/.test(values.save)) {
  process.stderr.write(
    `bench: --save ${values.save} is not usable — give a plain name such as 2026-01-xeon\n`,
  )
  process.exit(2)
}

const machine = describeMachine()
const against = await findPeer()
process.stdout.write(`\n${IMPORT_QUESTION}\n\n`)
const imported = await measureImport(Number(values.repeat))
process.stdout.write(importText(imported))
const results: BenchResult[] = []
for (const { workload, rwsems, config = {}, question } of BENCHMARKS) {
  process.stdout.write(`\n${question}\n\n`)
  const result = await runBench({
    workload: findWorkload(workload)!,
    designs: designs.map(({ name }) => name),
    rwsems,
    threads: values.threads.split(',').map(Number),
    seconds: Number(values.seconds),
    warmupSeconds: Number(values.warmup),
    repetitions: Number(values.repeat),
    bytesPerThread: DEFAULT_BYTES_PER_THREAD,
    config,
    against,
  })
  results.push(result)
  process.stdout.write(benchText(result, { style: styleFor(process.stdout) }))
}

if (values.save !== undefined) {
  const folder = new URL(`results/${values.save}/`, import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('report.md', folder), toMarkdown(machine, imported, results))
  writeFileSync(
    new URL('report.json', folder),
    JSON.stringify({ machine, import: imported, results }, null, 2) + '\n',
  )
  process.stdout.write(`\nsaved in ${fileURLToPath(folder)}\n`)
}

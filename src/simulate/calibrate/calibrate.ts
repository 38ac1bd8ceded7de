// Measures the machine that this runs on, for a file that describes it to the simulator.
//
// Principles:
// - Only what a JavaScript program can see is measured: distances between CPUs, one contended word, clearing and
//   copying pages, loads that miss, waking a thread. What it cannot see (exceptions, interrupts, how long a line stays
//   with who has got it) is taken over from a machine that is known, and is said to be.
// - Many short samples, one step after the other, each with its share of the time that is given; told are the median
//   and the lowest and highest. The first samples of a step are for the engine, and are not kept.

import type { SharedMemory } from '../../kernel/index.ts'
import { type Spread, spread } from '../../workloads/statistics.ts'
import { xorshift32 } from '../../workloads/xorshift.ts'
import type { MachineModel } from '../machine.ts'
import type { TopologyShape } from '../topology.ts'
import { type Described, type Measurement, describe } from './describe.ts'
import { Measurers } from './measurers.ts'
import { type Distance, type Processors, pairsOf, readProcessors, shapeOf } from './processors.ts'
import { CONTROL_WORDS, type TaskKind, type TaskRequest, makeCircle, makePages } from './tasks.ts'

export interface CalibrateOptions {
  /** What it is called in the file. */
  readonly name: string
  /** Where numbers are taken from that are not measured. */
  readonly base: MachineModel
  /** About how long it may take. */
  readonly seconds: number
  readonly onProgress?: (step: number, steps: number, what: string) => void
}

/** Of one word that so many threads change: nanoseconds an operation, all together. */
export interface ContendedWord extends Measurement {
  readonly workload: 'fetch-add' | 'compare-and-swap'
  readonly threads: number
}

export interface Calibration extends Described {
  readonly measurements: readonly Measurement[]
  readonly contended: readonly ContendedWord[]
  /** What could not be done, and what that means. */
  readonly remarks: readonly string[]
}

const SAMPLES_MAX = 31
const SAMPLES_MIN = 5
const WARM_UP = 2
const PAIRS_MAX = 3
/** Two threads that wake each other. */
const WAKE = { threads: 2, batches: 60 } as const
const THREADS_MAX = 64
/** Far more than a last-level cache whose size is not known, in pages and bytes. */
const COLD_PAGES = 32_768
const COLD_BYTES = 128 * 2 ** 20
/** What goes over the bus for a page that is cleared: its lines are read, and others written back. */
const CLEAR_TRAFFIC = 8192

interface Step {
  readonly what: string
  readonly run: (sampler: Sampler) => Promise<void>
}

export async function calibrate(options: CalibrateOptions): Promise<Calibration> {
  const processors = readProcessors()
  const measurers = await Measurers.start(Math.min(THREADS_MAX, Math.max(2, processors.all.length)))
  try {
    const work = new Calibrating(options, processors, measurers)
    const steps = work.steps()
    for (const [index, { what, run }] of steps.entries()) {
      options.onProgress?.(index + 1, steps.length, what)
      await run(new Sampler((options.seconds * 1000) / steps.length))
    }
    return work.result()
  } finally {
    await measurers.stop()
  }
}

type Samples = Spread & { readonly samples: number }

/** Takes samples until there are enough, or the time of a step is over. */
class Sampler {
  readonly #ms: number

  constructor(ms: number) {
    this.#ms = ms
  }

  /** Null where the machine was too busy to measure anything. */
  async take(sample: () => Promise<number>, share = 1): Promise<Samples | null> {
    const end = performance.now() + this.#ms * share
    const values: number[] = []
    let taken = 0
    while (taken < WARM_UP + SAMPLES_MIN || (values.length < SAMPLES_MAX && performance.now() < end)) {
      const value = await sample()
      if (++taken > WARM_UP && !Number.isNaN(value)) values.push(value)
    }
    return values.length === 0 ? null : { ...spread(values), samples: values.length }
  }
}

class Calibrating {
  readonly #options: CalibrateOptions
  readonly #processors: Processors
  readonly #measurers: Measurers
  readonly #shape: TopologyShape
  readonly #control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4))
  readonly #measurements: Measurement[] = []
  readonly #contended: ContendedWord[] = []
  /** What the machine was too busy for. */
  readonly #missed: string[] = []
  /** By path: what was measured of it. */
  readonly #found = new Map<string, Measurement>()
  #pages: SharedMemory | null = null

  constructor(options: CalibrateOptions, processors: Processors, measurers: Measurers) {
    this.#options = options
    this.#processors = processors
    this.#measurers = measurers
    this.#shape = shapeOf(processors)
  }

  steps(): Step[] {
    const one = (
      what: string,
      path: string,
      kind: TaskKind,
      batches: number,
      more: Partial<TaskRequest> = {},
    ) => ({
      what,
      run: async (sampler: Sampler) => {
        const memory = /^(clear|copy)/.test(kind) ? { memory: this.#memory() } : {}
        await this.#measurers.bind([this.#processors.all[0]!.cpu])
        await this.#measure(sampler, what, path, kind, { threads: 1, batches, ...memory, ...more })
      },
    })
    return [
      one('a locked instruction', 'latency.atomicNs', 'fetch-add', 500),
      ...this.#distanceSteps(),
      ...this.#wordSteps(),
      one('clearing a page in the cache', 'clearing.hotNs', 'clear-hot', 500),
      one('clearing pages of memory', 'clearing.coldNs', 'clear-cold', 500),
      one('copying a page in the cache', 'copying.hotNs', 'copy-hot', 300),
      one('copying pages of memory', 'copying.coldNs', 'copy-cold', 300),
      { what: 'the bandwidth of memory', run: (sampler) => this.#bandwidth(sampler) },
      one('a load from memory', 'latency.memoryNs', 'chase', 100, {
        circle: this.#circle(Math.max(COLD_BYTES, 4 * this.#processors.lastLevelBytes)),
      }),
      ...(this.#processors.lastLevelBytes === 0
        ? []
        : [
            one('a load from the last level', 'latency.lastLevelNs', 'chase', 300, {
              circle: this.#circle(this.#processors.lastLevelBytes / 2),
            }),
          ]),
      { what: 'waking a thread', run: (sampler) => this.#handOff(sampler) },
      { what: 'what the waker takes', run: (sampler) => this.#notify(sampler) },
      ...this.#coreSteps(),
    ]
  }

  #circle(bytes: number): Int32Array {
    return makeCircle(Math.min(bytes, 2 ** 29), xorshift32(1))
  }

  #memory(): SharedMemory {
    this.#pages ??= makePages(Math.min(COLD_PAGES * 4, COLD_PAGES * Math.ceil(this.#threads / 4)))
    return this.#pages
  }

  /** All CPUs, as far as there are threads that measure. */
  get #threads(): number {
    return Math.min(THREADS_MAX, this.#processors.all.length)
  }

  async #measure(
    sampler: Sampler,
    what: string,
    path: string,
    kind: TaskKind,
    task: Pick<TaskRequest, 'threads' | 'batches'> & Partial<TaskRequest>,
  ): Promise<void> {
    const taken = await sampler.take(async () => {
      const each = await this.#measurers.run({ kind, control: this.#control, ...task })
      return meanOf(each)
    })
    this.#note(path, what, 'ns', taken)
  }

  #note(path: string, what: string, unit: Measurement['unit'], taken: Samples | null): void {
    if (taken === null) {
      this.#missed.push(what)
      return
    }
    const measurement = { what, unit, ...taken }
    this.#measurements.push(measurement)
    this.#found.set(path, measurement)
  }

  #distanceSteps(): Step[] {
    const words = {
      sameCore: 'another thread of the core',
      group: 'another core of the same last-level cache',
      socket: 'another core of the socket',
      remote: 'another socket',
    } as const
    const paths: Readonly<Record<Distance, string>> = {
      sameCore: 'sameCore',
      group: 'latency.groupNs',
      socket: 'latency.socketNs',
      remote: 'latency.remoteNs',
    }
    return [...pairsOf(this.#processors, PAIRS_MAX)].map(([distance, pairs]) => ({
      what: `one way to ${words[distance]}`,
      run: async (sampler: Sampler) => {
        const all: number[] = []
        let last: Samples | null = null
        for (const pair of pairs) {
          await this.#measurers.bind(pair)
          last = await sampler.take(() => this.#oneWay(), 1 / pairs.length)
          if (last !== null) all.push(last.median)
        }
        // Of several pairs: their medians, from the nearest to the farthest.
        const taken = all.length > 1 ? { ...spread(all), samples: all.length } : last
        this.#note(paths[distance], `one way to ${words[distance]}`, 'ns', taken)
      },
    }))
  }

  async #oneWay(): Promise<number> {
    const each = await this.#measurers.run({
      kind: 'ping-pong',
      control: this.#control,
      threads: 2,
      batches: 400,
    })
    return Math.max(...each)
  }

  #wordSteps(): Step[] {
    const counts = [1]
    for (let threads = 2; threads <= this.#threads; threads *= 2) counts.push(threads)
    return (['fetch-add', 'compare-and-swap'] as const).flatMap((workload) =>
      counts.map((threads) => {
        const what = `${workload}, ${threads} thread${threads === 1 ? '' : 's'}`
        const run = async (sampler: Sampler): Promise<void> => {
          await this.#measurers.bind(this.#processors.all.slice(0, threads).map(({ cpu }) => cpu))
          const taken = await sampler.take(async () => {
            const task = { kind: workload, control: this.#control, threads, batches: 400 } as const
            const each = await this.#measurers.run(task)
            return meanOf(each) / threads
          })
          if (taken === null) this.#missed.push(what)
          else this.#contended.push({ what, workload, threads, unit: 'ns', ...taken })
        }
        return { what, run }
      }),
    )
  }

  async #bandwidth(sampler: Sampler): Promise<void> {
    const threads = this.#threads
    await this.#measurers.bind(this.#processors.all.slice(0, threads).map(({ cpu }) => cpu))
    const taken = await sampler.take(async () => {
      const task = {
        kind: 'clear-cold',
        control: this.#control,
        threads,
        batches: 300,
        memory: this.#memory(),
      } as const
      const each = await this.#measurers.run(task)
      const all = each.reduce((sum, ns) => sum + CLEAR_TRAFFIC / ns, 0)
      return all / this.#shape.sockets
    })
    this.#note('bandwidthPerSocket', 'clearing on all CPUs, of a socket', 'GB/s', taken)
  }

  async #handOff(sampler: Sampler): Promise<void> {
    const cpus = this.#processors.all.slice(0, 2).map(({ cpu }) => cpu)
    await this.#measurers.bind(cpus)
    await this.#measure(sampler, 'waking a thread that sleeps, one way', 'wake', 'hand-off', WAKE)
  }

  async #notify(sampler: Sampler): Promise<void> {
    await this.#measure(sampler, 'of that what the waker takes', 'software.wakeNs', 'notify', WAKE)
  }

  /** Two threads of a core, beside one alone. */
  #coreSteps(): Step[] {
    const [pair] = pairsOf(this.#processors, 1).get('sameCore') ?? []
    if (pair === undefined) return []
    const what = 'two threads of a core, beside one'
    const run = async (sampler: Sampler): Promise<void> => {
      await this.#measurers.bind(pair)
      const timeOf = async (threads: number): Promise<number> => {
        const task = { kind: 'compute', control: this.#control, threads, batches: 200 } as const
        const each = await this.#measurers.run(task)
        return meanOf(each)
      }
      const taken = await sampler.take(async () => (await timeOf(2)) / (await timeOf(1)))
      this.#note('smtFactor', what, 'times', taken)
    }
    return [{ what, run }]
  }

  // -------------------------------------------------------------------------------------------------------------------

  result(): Calibration {
    return {
      ...describe({
        name: this.#options.name,
        base: this.#options.base,
        shape: this.#shape,
        lastLevelBytes: this.#processors.lastLevelBytes,
        found: this.#found,
      }),
      measurements: this.#measurements,
      contended: this.#contended,
      remarks: this.#remarks(),
    }
  }

  #remarks(): string[] {
    const { isKnown, all } = this.#processors
    return [
      this.#measurers.isBound
        ? 'Each thread was bound to a CPU, with taskset.'
        : 'Threads were not bound to CPUs, which Node cannot do and taskset did not: the operating system placed them, so ' +
          'that distances are of whichever CPUs they ran on.',
      isKnown
        ? ''
        : 'It is not known which CPUs share a core, a cache or a socket: each is taken to be a core of one.',
      this.#missed.length === 0 ? '' : `The machine was too busy to measure: ${this.#missed.join('; ')}.`,
      all.length > THREADS_MAX ? `Only ${THREADS_MAX} of ${all.length} CPUs were used at once.` : '',
      'A JavaScript program sees no exceptions, system calls and interrupts, nor how long a line stays where it is.',
    ].filter((remark) => remark !== '')
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

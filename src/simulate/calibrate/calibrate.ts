// Measures the machine that this runs on, for a file that describes it to the simulator.
//
// Principles:
// - Only what a JavaScript program can see is measured: distances between CPUs, one contended word, clearing and copying
//   pages, loads that miss, waking a thread. What it cannot see (exceptions, interrupts, how long a line stays with who
//   has got it) is taken over from a machine that is known, and is said to be.
// - Many short samples, one step after the other, each with its share of the time that was given; told are the median
//   and the lowest and highest. The first samples of a step are for the engine, and are not kept.

import os from 'node:os'
import type { SharedMemory } from '../../kernel/index.ts'
import { type Spread, spread } from '../../workloads/statistics.ts'
import { xorshift32 } from '../../workloads/xorshift.ts'
import type { MachineModel } from '../machine.ts'
import { Topology, type TopologyShape } from '../topology.ts'
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

export interface Measurement extends Spread {
  readonly what: string
  readonly unit: 'ns' | 'GB/s' | 'times'
  readonly samples: number
}

/** Of one word that so many threads change: nanoseconds an operation, all together. */
export interface ContendedWord extends Measurement {
  readonly workload: 'fetch-add' | 'compare-and-swap'
  readonly threads: number
}

export interface Calibration {
  readonly machine: MachineModel
  readonly measurements: readonly Measurement[]
  readonly contended: readonly ContendedWord[]
  /** By its path in the machine, where each number is from. */
  readonly origins: Readonly<Record<string, string>>
  /** What could not be done, and what that means. */
  readonly remarks: readonly string[]
}

const SAMPLES_MAX = 31
const SAMPLES_MIN = 5
const WARM_UP = 2
const PAIRS_MAX = 3
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
      return each.reduce((sum, ns) => sum + ns, 0) / each.length
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
            return each.reduce((sum, ns) => sum + ns, 0) / each.length / threads
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
    await this.#measure(sampler, 'waking a thread that sleeps, one way', 'wake', 'hand-off', {
      threads: 2,
      batches: 60,
    })
  }

  /** Two threads of a core, beside one alone. */
  #coreSteps(): Step[] {
    const [pair] = pairsOf(this.#processors, 1).get('sameCore') ?? []
    if (pair === undefined) return []
    const what = 'two threads of a core, beside one'
    const run = async (sampler: Sampler): Promise<void> => {
      await this.#measurers.bind(pair)
      const mean = async (threads: number): Promise<number> => {
        const task = { kind: 'compute', control: this.#control, threads, batches: 200 } as const
        const each = await this.#measurers.run(task)
        return each.reduce((sum, ns) => sum + ns, 0) / threads
      }
      const taken = await sampler.take(async () => (await mean(2)) / (await mean(1)))
      this.#note('smtFactor', what, 'times', taken)
    }
    return [{ what, run }]
  }

  // -------------------------------------------------------------------------------------------------------------------

  result(): Calibration {
    const { base, name } = this.#options
    const origins = new Map<string, string>()
    const number = (path: string, otherwise: number): number => {
      const found = this.#found.get(path)
      if (found === undefined) return taken(path, otherwise)
      origins.set(path, `measured: ${found.what}, ${rangeOf(found)}`)
      return rounded(found.median)
    }
    const taken = (path: string, value: number): number => {
      origins.set(path, `not measured, taken over from ${base.name}`)
      return value
    }
    const derived = (path: string, value: number, from: string): number => {
      origins.set(path, from)
      return rounded(value)
    }
    const groupNs = number(
      'latency.groupNs',
      this.#found.get('latency.socketNs')?.median ?? base.latency.groupNs,
    )
    const { groupsPerSocket, sockets } = this.#shape
    const none = 'there is no such distance here: as groupNs'
    const socketNs =
      groupsPerSocket === 1
        ? derived('latency.socketNs', groupNs, none)
        : number('latency.socketNs', base.latency.socketNs)
    const wake = this.#found.get('wake')
    const wakeFrom =
      wake === undefined ? '' : `waking a thread takes ${rangeOf(wake)}, in two parts by assumption`
    const cpu = os.cpus()[0]?.model ?? os.arch()
    const on = new Date().toISOString().slice(0, 10)
    const machine: MachineModel = {
      name,
      title: `${cpu.trim()}, ${new Topology(this.#shape).cpus} CPUs: the kernel on worker threads`,
      source: `measured by faultline simulate --calibrate on ${on}, Node ${process.versions.node}; not measured, and of “${base.name}”, is what is said to be`,
      topology: this.#shape,
      protocol: base.protocol,
      latency: {
        hitNs: taken('latency.hitNs', base.latency.hitNs),
        atomicNs: number('latency.atomicNs', base.latency.atomicNs),
        groupNs,
        socketNs,
        remoteNs:
          sockets === 1
            ? derived('latency.remoteNs', groupNs, none)
            : number('latency.remoteNs', base.latency.remoteNs),
        awayFromHomeNs: derived(
          'latency.awayFromHomeNs',
          socketNs,
          'whose home a line is cannot be seen: as socketNs',
        ),
        lastLevelNs: number('latency.lastLevelNs', base.latency.lastLevelNs),
        memoryNs: number('latency.memoryNs', base.latency.memoryNs),
        remoteMemoryNs:
          sockets === 1
            ? derived(
                'latency.remoteMemoryNs',
                this.#found.get('latency.memoryNs')?.median ?? base.latency.memoryNs,
                'one socket: as memoryNs',
              )
            : taken('latency.remoteMemoryNs', base.latency.remoteMemoryNs),
      },
      residencyNs: taken('residencyNs', base.residencyNs),
      nearHandovers: taken('nearHandovers', base.nearHandovers),
      sharedReadNs: taken('sharedReadNs', base.sharedReadNs),
      clearing: {
        hotNs: number('clearing.hotNs', base.clearing.hotNs),
        coldNs: number('clearing.coldNs', base.clearing.coldNs),
      },
      copying: {
        hotNs: number('copying.hotNs', base.copying.hotNs),
        coldNs: number('copying.coldNs', base.copying.coldNs),
      },
      lastLevelBytes:
        this.#processors.lastLevelBytes === 0
          ? taken('lastLevelBytes', base.lastLevelBytes)
          : derived('lastLevelBytes', this.#processors.lastLevelBytes, 'as the operating system tells'),
      bandwidthPerSocket: number('bandwidthPerSocket', base.bandwidthPerSocket),
      software: {
        ...base.software,
        ...(wake === undefined
          ? {}
          : {
              wakeNs: derived('software.wakeNs', wake.median / 4, wakeFrom),
              wakeLatencyNs: derived('software.wakeLatencyNs', (wake.median * 3) / 4, wakeFrom),
              kickNs: derived(
                'software.kickNs',
                base.software.kickNs === 0 ? 0 : (wake.median * 3) / 4,
                wakeFrom,
              ),
            }),
      },
      smtFactor: Math.max(1, number('smtFactor', this.#shape.threadsPerCore === 1 ? 1 : base.smtFactor)),
      ...(base.accounting === undefined ? {} : { accounting: base.accounting }),
      ...(base.spinlock === undefined ? {} : { spinlock: base.spinlock }),
      fitted: {},
    }
    return {
      machine,
      measurements: this.#measurements,
      contended: this.#contended,
      origins: Object.fromEntries(origins),
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

function rounded(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 10) / 10
}

/** The median, with the lowest and the highest. */
export function rangeOf({ median, min, max, unit, samples }: Measurement): string {
  return `${rounded(median)} ${unit}, ${rounded(min)} to ${rounded(max)} of ${samples}`
}

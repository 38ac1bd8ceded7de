// The stress run: several threads do random calls and accesses on one address space for as long as they are let,
// while each checks what it sees; at quiescent points everything is compared with the reference model, and nothing
// may have leaked.
//
// Principles:
// - Nothing is retried and nothing is slept for: what is checked must hold at the moment it is checked.
// - The random sequence of each thread follows from the seed alone. How the threads interleave does not, which is why a
//   divergence may need several runs with its seed to show again.
// - A run that does not end is a finding too: it is reported with the step that each thread is at.

import { Worker } from 'node:worker_threads'
import {
  type AddressSpace,
  type DesignName,
  Machine,
  type MachineOptions,
  type MemoryFile,
  type RwsemKind,
} from '../../src/memory.ts'
import {
  IllegalOutcome,
  PAGE_SIZE,
  ReferenceFile,
  ReferenceSpace,
  STACK_GUARD_GAP_PAGES,
} from '../reference/model.ts'
import { checkContents, checkLayout, Divergence, type World } from '../reference/operations.ts'
import { Random } from '../reference/random.ts'
import { FORK_PAGES, FORK_WORDS, prepareForkRound } from './fork-rounds.ts'
import {
  CONTROL_STEPS,
  CONTROL_STOP,
  FILES,
  FREE_FILE,
  FREE_FILE_FROM,
  FREE_PAGES,
  FREE_SPACES,
  freeLayout,
  initialContents,
  layoutFor,
  OWNED_PAGES,
  type OwnedState,
  type RoundKind,
  type RoundMessage,
  STACK_REGION_PAGES,
  TAG_SEQUENCES,
  WORDS_COUNTER,
  WORDS_FILE,
  WORDS_FILE_FROM,
  WORDS_PAGES,
  WORDS_RAISED,
  type WorkerMessage,
} from './rounds.ts'

export interface StressOptions {
  /** 2 … 16 */
  threads: number
  design: DesignName
  rwsem: RwsemKind
  seed: number
  /** end after this many seconds, at the end of a round, or … */
  seconds?: number
  /** … after this many rounds */
  rounds?: number
  /** only these kinds of rounds; all by default */
  kinds?: readonly RoundKind[]
  /** steps of each thread in a round */
  steps?: number
  config?: MachineOptions['config']
  rss?: MachineOptions['rss']
  /** seconds that one round may take before the run counts as hanging */
  patience?: number
  progress?(line: string): void
}

/**
 * Ways to configure the kernel that a long run takes in turn: the default, poisoned objects, tables freed by
 * interrupts, …
 */
export const configVariants: readonly NonNullable<MachineOptions['config']>[] = [
  { SLUB_DEBUG: true },
  {},
  { MMU_GATHER_RCU_TABLE_FREE: false, SLUB_DEBUG: true },
  { ZERO_WRITTEN_SECTORS: false, MMU_GATHER_RCU_TABLE_FREE: false },
]

export interface StressReport {
  rounds: number
  operations: number
  failed: number
  outOfMemory: number
  counters: Record<string, number>
}

/** What a stress run found. The message names all that is needed to look for it again. */
export class StressFailure extends Error {}

interface RoundPlan {
  kind: RoundKind
  keep: boolean
  last: boolean
  pressure: boolean
  hot: boolean
  stride: number
}

const ALL_KINDS: readonly RoundKind[] = ['slabs', 'interleaved', 'words', 'free', 'forks']
const MEMORY = '64MiB'
/** Little enough that the frames run out, enough that something can be done at all. */
const PRESSURE_MEMORY = 96 * PAGE_SIZE

/** @throws StressFailure at the first divergence, leak, unexpected error or hang */
export async function runStress(options: StressOptions): Promise<StressReport> {
  const coordinator = new Coordinator(options)
  try {
    await coordinator.start()
    return await coordinator.run()
  } finally {
    await coordinator.stop()
  }
}

class Coordinator {
  readonly #options: StressOptions
  readonly #machine: Machine
  readonly #files: MemoryFile[]
  readonly #control: Int32Array
  readonly #workers: Worker[] = []
  #resolve: (() => void) | null = null
  #reject: ((error: Error) => void) | null = null
  #round = 0
  #plan: RoundPlan | null = null
  #done = new Map<number, Extract<WorkerMessage, { type: 'done' }>>()
  #ready = 0
  #stopping = false
  readonly #report: StressReport = { rounds: 0, operations: 0, failed: 0, outOfMemory: 0, counters: {} }

  constructor(options: StressOptions) {
    this.#options = options
    this.#machine = this.#createMachine(MEMORY)
    this.#files = this.#createFiles(this.#machine)
    this.#control = new Int32Array(new SharedArrayBuffer(4 * (CONTROL_STEPS + options.threads)))
  }

  #createMachine(memory: string | number): Machine {
    const { design, rwsem, threads, config, rss } = this.#options
    return Machine.create({
      memory,
      cpus: threads + 1,
      design,
      rwsem,
      ...(config === undefined ? {} : { config }),
      ...(rss === undefined ? {} : { rss }),
    })
  }

  #createFiles(machine: Machine): MemoryFile[] {
    const { fileBytes } = layoutFor(this.#options.threads)
    return Array.from({ length: FILES }, (_, file) => {
      const size = fileBytes[file]!
      const made = machine.createFile({ name: `file ${file}`, size, contents: initialContents(file, size) })
      made.populate(0, Math.ceil(size / PAGE_SIZE))
      return made
    })
  }

  async start(): Promise<void> {
    const url = new URL(
      import.meta.url.endsWith('.ts') ? './stress-worker.ts' : './stress-worker.js',
      import.meta.url,
    )
    const ready = this.#waitForWorkers()
    for (let thread = 0; thread < this.#options.threads; thread++) {
      const worker = new Worker(url, { workerData: { thread } })
      worker.on('message', (message: WorkerMessage) => this.#receive(message))
      worker.on('error', (error) => this.#fail(`thread ${thread} died: ${error.stack ?? error.message}`))
      worker.on('exit', (code) => {
        if (!this.#stopping) this.#fail(`thread ${thread} exited with code ${code}`)
      })
      this.#workers.push(worker)
      worker.postMessage({
        type: 'start',
        threads: this.#options.threads,
        machine: this.#machine.handle,
        control: this.#control,
        seed: this.#options.seed,
      })
    }
    await ready
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
    this.#machine.detach()
  }

  async run(): Promise<StressReport> {
    const began = performance.now()
    const baseline = this.#machine.usage()
    const random = Random.derive(this.#options.seed, 0xffff)
    const kinds = this.#options.kinds ?? ALL_KINDS
    const over = () =>
      this.#options.rounds === undefined
        ? performance.now() - began >= (this.#options.seconds ?? 10) * 1000
        : this.#round >= this.#options.rounds
    while (!over()) {
      for (const kind of kinds) {
        if (over()) break
        if (kind === 'free') await this.#freeRound(random)
        else if (kind === 'words') await this.#wordsRound(random)
        else if (kind === 'forks') await this.#forkRound(random)
        else await this.#ownedRounds(kind, random)
        this.#checkLeaks(this.#machine, baseline)
        this.#checkCounters(this.#machine)
        const { rounds, operations, outOfMemory } = this.#report
        this.#options.progress?.(
          `round ${rounds}: ${operations} operations, ${outOfMemory} out of memory, ` +
            `${((performance.now() - began) / 1000).toFixed(1)} s`,
        )
      }
    }
    this.#report.counters = this.#machine.counters()
    return this.#report
  }

  // ── rounds ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #ownedRounds(kind: 'slabs' | 'interleaved', random: Random): Promise<void> {
    const layout = layoutFor(this.#options.threads)
    const space = this.#machine.createAddressSpace()
    for (const file of [0, 1]) this.#files[file]!.write(0, initialContents(file, layout.fileBytes[file]!))
    // What the last space wrote beyond the end of file 1, within its last page, is not reached by write().
    const end = layout.fileBytes[1]!
    const lastPage = Math.floor(end / PAGE_SIZE) * PAGE_SIZE
    space.mmap(PAGE_SIZE, {
      address: layout.heap,
      fixed: true,
      shared: true,
      file: this.#files[1]!,
      offset: lastPage,
    })
    space.fill(layout.heap + (end - lastPage), PAGE_SIZE - (end - lastPage), 0)
    space.munmap(layout.heap, PAGE_SIZE)
    space.setBrk(layout.heap)
    // Above each thread's stack region something that does not grow down, so that no region reaches into the next.
    for (let thread = 0; thread < layout.threads; thread++) {
      const address = layout.stacks + (thread + 1) * layout.stackStride - PAGE_SIZE
      space.mmap(PAGE_SIZE, { address, fixed: true, protection: 'none' })
    }
    const repeats = 1 + random.below(3)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const plan = {
        kind,
        keep: repeat > 0,
        last: repeat === repeats - 1,
        pressure: false,
        hot: false,
        stride: 1,
      }
      const done = await this.#perform(plan, [space], new Int32Array(new SharedArrayBuffer(4)), random)
      this.#compare(space, done, plan.last)
    }
    this.#emptyAndDestroy(space, [
      [layout.arena, layout.threads * OWNED_PAGES],
      [layout.stacks, (layout.threads * layout.stackStride) / PAGE_SIZE],
      [layout.heap, 64],
    ])
  }

  /** Holds the space against the union of what the threads know of their own parts. */
  #compare(space: AddressSpace, done: { owned: OwnedState[] }[], withContents: boolean): void {
    const layout = layoutFor(this.#options.threads)
    const files = new Map<number, ReferenceFile>()
    for (const file of [0, 1]) {
      const size = layout.fileBytes[file]!
      files.set(file + 1, new ReferenceFile(file + 1, size, false, initialContents(file, size)))
    }
    const model = new ReferenceSpace()
    done.forEach(({ owned }, thread) => {
      for (const state of owned) {
        for (const [id, pages] of state.files) {
          const own = ownFilePages(this.#plan!.kind, thread, layout.threads)
          for (const [index, bytes] of pages) if (own(index)) files.get(id)!.pages.set(index, bytes)
        }
      }
    })
    done.forEach(({ owned }, thread) => {
      owned.forEach((state, index) => model.adopt(state.pages, files, (thread * 4 + index + 1) * 1_000_000))
    })
    for (let thread = 0; thread < layout.threads; thread++) {
      const address = layout.stacks + (thread + 1) * layout.stackStride - PAGE_SIZE
      model.mmap(PAGE_SIZE, { address, fixed: true, protection: 'none' }, address)
    }
    const world: World = { space, model, files: [], address: (page) => page * PAGE_SIZE, concurrent: true }
    try {
      checkLayout(world, 'quiescent')
      if (withContents) {
        checkContents(world)
        for (const [id, file] of files) {
          const bytes = this.#files[id - 1]!.read(0, file.size)
          const wrong = bytes.findIndex(
            (byte, at) => byte !== file.page(Math.floor(at / PAGE_SIZE))[at % PAGE_SIZE],
          )
          if (wrong >= 0) throw new IllegalOutcome(`file ${id - 1} differs at byte ${wrong}`)
        }
      }
    } catch (error) {
      if (error instanceof Divergence || error instanceof IllegalOutcome)
        throw this.#failure(`at the quiescent point: ${error.message}`)
      throw error
    }
  }

  async #freeRound(random: Random): Promise<void> {
    const hot = random.oneIn(2)
    const pressure = !hot && random.oneIn(2)
    const layout = layoutFor(this.#options.threads)
    const machine = pressure ? this.#createMachine(PRESSURE_MEMORY) : this.#machine
    const files = pressure ? this.#files.map(() => machine.createFile({ size: PAGE_SIZE })) : this.#files
    const baseline = machine.usage()
    const spaces = Array.from({ length: FREE_SPACES }, () => machine.createAddressSpace())
    if (!pressure) files[FREE_FILE]!.write(0, initialContents(FREE_FILE, layout.fileBytes[FREE_FILE]!))
    for (const space of pressure ? [] : spaces) {
      space.mmap((FREE_PAGES - FREE_FILE_FROM) * PAGE_SIZE, {
        address: layout.arena + FREE_FILE_FROM * PAGE_SIZE,
        fixed: true,
        shared: true,
        file: files[FREE_FILE]!,
        offset: FREE_FILE_FROM * PAGE_SIZE,
      })
    }
    const shared = new Int32Array(new SharedArrayBuffer(4 * freeLayout(layout.threads).words))
    const repeats = 1 + random.below(3)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const plan = {
        kind: 'free' as const,
        keep: repeat > 0,
        last: repeat === repeats - 1,
        pressure,
        hot,
        stride: 1,
      }
      await this.#perform(plan, spaces, shared, random, pressure ? machine : null, files)
    }
    for (const space of spaces) {
      this.#emptyAndDestroy(space, [
        [layout.arena, FREE_PAGES],
        [layout.heap, (layout.threads * 0x1000_0000) / PAGE_SIZE],
      ])
    }
    if (pressure) {
      this.#checkLeaks(machine, baseline)
      this.#checkCounters(machine)
      machine.detach()
    }
  }

  async #wordsRound(random: Random): Promise<void> {
    const layout = layoutFor(this.#options.threads)
    const stride = random.oneIn(2) ? 1 : 512
    const space = this.#machine.createAddressSpace()
    for (let page = 0; page < WORDS_PAGES; page++) {
      const address = layout.arena + page * stride * PAGE_SIZE
      if (page < WORDS_FILE_FROM) space.mmap(PAGE_SIZE, { address, fixed: true })
      else
        space.mmap(PAGE_SIZE, {
          address,
          fixed: true,
          file: this.#files[WORDS_FILE]!,
          offset: page * PAGE_SIZE,
        })
    }
    const shared = new Int32Array(new SharedArrayBuffer(4 * (WORDS_RAISED + WORDS_PAGES)))
    const plan = { kind: 'words' as const, keep: false, last: true, pressure: false, hot: false, stride }
    await this.#perform(plan, [space], shared, random)
    for (let page = 0; page < WORDS_PAGES; page++) {
      const address = layout.arena + page * stride * PAGE_SIZE
      space.mprotect(address, PAGE_SIZE, 'rw')
      const before =
        page < WORDS_FILE_FROM
          ? 0
          : new DataView(
              this.#files[WORDS_FILE]!.read(page * PAGE_SIZE + WORDS_COUNTER * 4, 4).slice().buffer,
            ).getUint32(0, true)
      const expected = (before + shared[WORDS_RAISED + page]!) >>> 0
      const got = space.readUint32(address + WORDS_COUNTER * 4)
      if (got !== expected) {
        throw this.#failure(
          `counter of page ${page} (0x${address.toString(16)}): raised to ${expected}, holds ${got}`,
        )
      }
    }
    this.#emptyAndDestroy(space, [[layout.arena, WORDS_PAGES * stride]])
  }

  async #forkRound(random: Random): Promise<void> {
    const layout = layoutFor(this.#options.threads)
    const space = this.#machine.createAddressSpace()
    prepareForkRound(space, layout.arena, this.#files[WORDS_FILE]!)
    const shared = new Int32Array(new SharedArrayBuffer(4 * FORK_WORDS))
    const plan = { kind: 'forks' as const, keep: false, last: true, pressure: false, hot: false, stride: 1 }
    await this.#perform(plan, [space], shared, random)
    this.#emptyAndDestroy(space, [
      [layout.arena, FORK_PAGES],
      [layout.heap, (layout.threads * 0x100_0000) / PAGE_SIZE],
    ])
  }

  async #perform(
    plan: RoundPlan,
    spaces: AddressSpace[],
    shared: Int32Array,
    random: Random,
    machine: Machine | null = null,
    files = this.#files,
  ): Promise<Extract<WorkerMessage, { type: 'done' }>[]> {
    this.#plan = plan
    this.#done = new Map()
    const steps = Math.min((this.#options.steps ?? 2000) * (plan.hot ? 10 : 1), Math.floor(TAG_SEQUENCES / 4))
    const finished = this.#waitForWorkers()
    const message: RoundMessage = {
      type: 'round',
      round: this.#round,
      kind: plan.kind,
      steps,
      spaces: spaces.map((space) => space.handle),
      keep: plan.keep,
      pressure: plan.pressure,
      hot: plan.hot,
      stride: plan.stride,
      machine: machine?.handle ?? null,
      files: files.map((file) => file.handle),
      shared,
      reattach: random.oneIn(2),
    }
    for (const worker of this.#workers) worker.postMessage(message)
    await finished
    this.#round++
    this.#report.rounds++
    const done = this.#workers.map((_, thread) => this.#done.get(thread)!)
    for (const { succeeded, failed, outOfMemory } of done) {
      this.#report.operations += succeeded + failed + outOfMemory
      this.#report.failed += failed
      this.#report.outOfMemory += outOfMemory
    }
    return done
  }

  // ── what must hold whenever nobody is at work ──────────────────────────────────────────────────────────────────────

  #emptyAndDestroy(space: AddressSpace, ranges: [address: number, pages: number][]): void {
    for (const [address, pages] of ranges) space.munmap(address, pages * PAGE_SIZE)
    const left = space.maps()
    if (left.length > 0)
      throw this.#failure(`a mapping is left at 0x${left[0]!.start.toString(16)} after all was unmapped`)
    const { anonymous, file } = space.rss
    if (anonymous !== 0 || file !== 0) {
      throw this.#failure(
        `resident pages are counted after all was unmapped: ${anonymous} anonymous, ${file} of files`,
      )
    }
    space.destroy()
  }

  #checkLeaks(machine: Machine, baseline: object): void {
    const before = baseline as Record<string, number>
    const after = machine.usage() as unknown as Record<string, number>
    // The kernel heap keeps what its slabs have once taken.
    const changed = Object.keys(before).filter(
      (name) => name !== 'heapWordsUsed' && before[name] !== after[name],
    )
    if (changed.length > 0) {
      throw this.#failure(
        `leak: ${changed.map((name) => `${name} was ${before[name]}, is ${after[name]}`).join('; ')}`,
      )
    }
  }

  #checkCounters(machine: Machine): void {
    const counters = machine.counters()
    const problem = counterProblem(counters)
    if (problem !== null) throw this.#failure(`counters: ${problem}`)
  }

  // ── the threads ────────────────────────────────────────────────────────────────────────────────────────────────────

  #waitForWorkers(): Promise<void> {
    const patience = (this.#options.patience ?? 120) * 1000
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const steps = this.#workers.map((_, thread) => Atomics.load(this.#control, CONTROL_STEPS + thread))
        const missing = this.#workers.map((_, thread) => thread).filter((thread) => !this.#done.has(thread))
        this.#fail(`hang: threads ${missing.join(', ')} have not ended; steps ${steps.join(', ')}`)
      }, patience)
      const end = () => {
        clearTimeout(timer)
        this.#resolve = this.#reject = null
      }
      this.#resolve = () => {
        end()
        resolve()
      }
      this.#reject = (error) => {
        end()
        reject(error)
      }
    })
  }

  #receive(message: WorkerMessage): void {
    switch (message.type) {
      case 'ready':
        if (++this.#ready === this.#options.threads) this.#resolve?.()
        return
      case 'done':
        this.#done.set(message.thread, message)
        if (this.#done.size === this.#options.threads) this.#resolve?.()
        return
      case 'divergence':
        this.#fail(
          `thread ${message.thread}, step ${message.step}, at ${message.page}: ${message.operation}\n` +
            `  expected ${message.expected}\n  got      ${message.got}`,
        )
        return
      case 'error':
        this.#fail(`thread ${message.thread}, step ${message.step}: unexpected error\n${message.stack}`)
        return
    }
  }

  #fail(what: string): void {
    Atomics.store(this.#control, CONTROL_STOP, 1)
    this.#reject?.(this.#failure(what))
  }

  #failure(what: string): StressFailure {
    const { seed, design, rwsem, threads, config } = this.#options
    const switches = Object.entries(config ?? {}).map(([name, value]) => `, ${name}=${String(value)}`)
    const kind =
      this.#plan === null
        ? 'start'
        : `${this.#plan.kind}${this.#plan.pressure ? ' under memory pressure' : this.#plan.hot ? ' at few pages' : ''}`
    return new StressFailure(
      `design ${design}, rwsem ${rwsem}${switches.join('')}, ${threads} threads, seed ${seed}, round ${this.#round} (${kind}): ${what}`,
    )
  }
}

function ownFilePages(kind: RoundKind, thread: number, threads: number): (index: number) => boolean {
  return kind === 'slabs'
    ? (index) => Math.floor(index / 16) === thread
    : (index) => index % threads === thread
}

/**
 * What is wrong with the sums of the fault counters; null when they add up. Where memory is scarce, speculative faults
 * give up without a reason of their own: for want of a page, or because another thread has it locked.
 */
export function counterProblem(counters: Record<string, number>, scarce = false): string | null {
  const reasons = Object.keys(counters).filter((name) => name.startsWith('SPF_ABORT_'))
  const aborted = reasons.reduce((sum, name) => sum + counters[name]!, 0)
  const attempts = counters['spf_attempt'] ?? 0
  const aborts = counters['spf_abort'] ?? 0
  if (aborts > attempts) return `${aborts} aborts of ${attempts} attempts`
  // A page that is not in the page cache has no counter of its own (lespinasse-2021-file).
  const mayBeUncounted = scarce || 'SPF_ATTEMPT_FILE' in counters
  if (reasons.length > 0 && (mayBeUncounted ? aborted > aborts : aborted !== aborts))
    return `abort reasons sum to ${aborted}, spf_abort is ${aborts}`
  const negative = Object.keys(counters).find(
    (name) => counters[name]! < 0 || !Number.isInteger(counters[name]!),
  )
  return negative === undefined ? null : `${negative} is ${counters[negative]}`
}

if (STACK_REGION_PAGES < STACK_GUARD_GAP_PAGES)
  throw new Error('stack regions must be larger than the guard gap')

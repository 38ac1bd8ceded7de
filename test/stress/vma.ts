// The mix of stress-ng's `vma` as a stress test: all its threads at 32 pages of one or two address spaces, for a while;
// then everything must fit together, and nothing may have been lost.
//
// Principles: the threads are made once and take part in every round, since there are many of them; each round has a
// machine of its own. A round that does not end is a finding too.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, Machine, type MachineOptions, type RwsemKind } from '../../src/memory.ts'
import { VMA_MIX_BASE as BASE, VMA_MIX_PAGES } from '../../src/workloads/vma-mix.ts'
import { PAGE_SIZE } from '../reference/model.ts'
import { counterProblem, StressFailure } from './stress.ts'
import { checkQuietSpace } from './vma-checks.ts'
import {
  accessors,
  BEGUN,
  type Held,
  ROUND_WORDS,
  type RoundMessage,
  roles,
  SPACES,
  STEPS,
  STOP,
  tagProblem,
  WORD_STRIDE,
  words,
  type WorkerMessage,
} from './vma-round.ts'

export interface VmaRoundOptions {
  design: string
  rwsem: RwsemKind
  config?: MachineOptions['config']
  rss?: MachineOptions['rss']
  /** Physical memory, where it is not to be ample; pages that do not fit go to a swap file then. */
  memory?: number
  seed: number
  /** Address spaces that the threads share: 1 or 2. */
  spaces: number
  /** How long the threads work, in milliseconds, from when all have begun. */
  milliseconds: number
}

export interface VmaRoundReport {
  steps: number
  refused: number
  signals: number
  /** Steps of each kind of thread. */
  byRole: Record<string, number>
  counters: Record<string, number>
}

const MEMORY = '4MiB'
const SWAP = '1MiB'
/** So little, in bytes, that pages have to leave it: about what the page tables and a dozen pages take. */
export const SCARCE_MEMORY = 20 * PAGE_SIZE
/** What may be locked of it in each address space. */
const SCARCE_LOCKED = 3 * PAGE_SIZE
/** Seconds that threads may take to begin or to end before they count as hanging. */
const PATIENCE = 60

type Done = Extract<WorkerMessage, { type: 'done' }>

export class VmaStress {
  readonly #workers: Worker[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  readonly #swapFile = join(this.#folder, 'swap')
  #received: (message: WorkerMessage) => void = () => {}
  #failed: (error: Error) => void = () => {}

  private constructor() {
    const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const url = new URL(`./vma-worker${extension}`, import.meta.url)
    this.#workers = roles.map((_, thread) => new Worker(url, { workerData: { thread } }))
    for (const worker of this.#workers) {
      worker.on('message', (message: WorkerMessage) => this.#received(message))
      worker.on('error', (error) => this.#failed(error))
    }
  }

  /** Starts the threads, which then wait for rounds. */
  static async start(): Promise<VmaStress> {
    const stress = new VmaStress()
    await stress.#hear('start', 'ready', roles.length)
    return stress
  }

  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
    rmSync(this.#folder, { recursive: true })
  }

  /** @throws StressFailure at the first thing that does not hold */
  async round(options: VmaRoundOptions): Promise<VmaRoundReport> {
    const { design, rwsem, config, rss, seed } = options
    const switches = Object.entries(config ?? {}).map(([name, value]) => `, ${name}=${String(value)}`)
    const about = `vma mix, design ${design}, rwsem ${rwsem}${switches.join('')}, ${options.spaces} spaces, seed ${seed}`
    const machine = Machine.create({
      memory: options.memory ?? MEMORY,
      cpus: roles.length + 1,
      design,
      rwsem,
      ...(config === undefined ? {} : { config }),
      ...(rss === undefined ? {} : { rss }),
    })
    try {
      return await this.#roundOn(machine, options)
    } catch (error) {
      throw new StressFailure(`${about}: ${(error as Error).message}`, { cause: error })
    } finally {
      machine.detach()
    }
  }

  async #roundOn(machine: Machine, options: VmaRoundOptions): Promise<VmaRoundReport> {
    const before = machine.usage()
    const counted = machine.counters()
    const scarce = options.memory !== undefined
    if (scarce) machine.swapOn(this.#swapFile, { size: SWAP })
    const spaces = Array.from({ length: options.spaces }, () =>
      machine.createAddressSpace(scarce ? { memlockLimit: SCARCE_LOCKED } : {}),
    )
    const shared = new Int32Array(new SharedArrayBuffer(4 * ROUND_WORDS))
    const done = await this.#perform(machine, spaces, shared, options)
    for (const space of spaces) checkQuietSpace(space)
    for (const [number, space] of spaces.entries()) checkContents(space, number, shared)
    for (const held of done.flatMap((each) => each.held)) checkHeld(spaces[held.space]!, held, shared)
    for (const space of spaces) space.destroy()
    // What is left in the swap cache is nobody's, and would go when its frame is wanted.
    if (scarce) machine.swapOff()
    // First the usage, which waits for what is freed after a grace period.
    const after = machine.usage()
    const counters = machine.counters()
    const lost =
      usageProblem(before, after) ?? frameProblem(counted, counters) ?? counterProblem(counters, scarce)
    if (lost !== null) throw new Error(lost)
    const sum = (of: (each: Done) => number): number => done.reduce((total, each) => total + of(each), 0)
    const byRole: Record<string, number> = {}
    for (const { thread, steps } of done)
      byRole[roles[thread]!.name] = (byRole[roles[thread]!.name] ?? 0) + steps
    return {
      steps: sum(({ steps }) => steps),
      refused: sum(({ refused }) => refused),
      signals: sum(({ signals }) => signals),
      byRole,
      counters,
    }
  }

  /** Lets the threads work for a while; returns what they say when all have ended. */
  async #perform(
    machine: Machine,
    spaces: readonly AddressSpace[],
    shared: Int32Array,
    { seed, milliseconds }: VmaRoundOptions,
  ): Promise<Done[]> {
    const control = new Int32Array(new SharedArrayBuffer(4 * (STEPS + roles.length)))
    const message: RoundMessage = {
      machine: machine.handle,
      spaces: spaces.map((space) => space.handle),
      control,
      shared,
      seed,
    }
    const done = this.#hear('end', 'done', roles.length, control)
    for (const worker of this.#workers) worker.postMessage(message)
    await Promise.race([done, Atomics.waitAsync(control, BEGUN, 0).value])
    const stop = setTimeout(() => Atomics.store(control, STOP, 1), milliseconds)
    try {
      return (await done) as Done[]
    } finally {
      clearTimeout(stop)
    }
  }

  /**
   * Waits until `count` threads have sent a message of a type, or failed. Of several failures the first is told that is
   * not the consequence of another: a thread that fails inside the kernel takes the machine away from all.
   */
  #hear(
    what: string,
    type: WorkerMessage['type'],
    count: number,
    control?: Int32Array,
  ): Promise<WorkerMessage[]> {
    const { promise, resolve, reject } = Promise.withResolvers<WorkerMessage[]>()
    const heard: WorkerMessage[] = []
    const failures: Error[] = []
    const fail = (): void =>
      reject(failures.find(({ message }) => !message.includes('CpuLostError')) ?? failures[0])
    const timer = setTimeout(() => {
      const steps = control === undefined ? '' : `; steps ${control.subarray(STEPS).join(', ')}`
      failures.push(new Error(`hang: ${count - heard.length} of ${count} threads do not ${what}${steps}`))
      fail()
    }, PATIENCE * 1000)
    this.#failed = reject
    this.#received = (message) => {
      if (message.type === 'failed') {
        const { thread, steps, stack } = message
        failures.push(new Error(`thread ${thread} (${roles[thread]!.name}), step ${steps}: ${stack}`))
      } else if (message.type === type) heard.push(message)
      if (heard.length + failures.length < count) return
      if (failures.length > 0) fail()
      else resolve(heard)
    }
    return promise.finally(() => clearTimeout(timer))
  }
}

/** Every word of every page that is mapped is one that its accessor has stored there, and was not taken away since. */
function checkContents(space: AddressSpace, number: number, shared: Int32Array): void {
  for (const { start, end } of space.maps()) {
    space.mprotect(start, end - start, 'rw')
    for (let address = start; address < end; address += PAGE_SIZE) {
      const page = (address - BASE) / PAGE_SIZE
      const bytes = new DataView(space.read(address, PAGE_SIZE).buffer)
      for (let at = 0; at < PAGE_SIZE; at += 4) {
        const accessor = at / WORD_STRIDE
        const word = bytes.getUint32(at, true)
        const owned = Number.isInteger(accessor) && accessor < accessors
        if (!owned && word !== 0)
          throw new Error(`page ${page}, byte ${at}: 0x${word.toString(16)}, where nobody stores`)
        if (!owned) continue
        const floor = Atomics.load(shared, words.floor(number, page, accessor))
        const problem = tagProblem(shared, { space: number, page, accessor }, word, floor)
        if (problem !== null) throw new Error(problem)
      }
    }
  }
}

/** What an accessor stored last in a page is there, unless the page was cleared since. */
function checkHeld(space: AddressSpace, held: Held, shared: Int32Array): void {
  const { page, accessor, value, clears } = held
  if (Atomics.load(shared, words.clearsBegun(held.space, page)) !== clears) return
  const found = space.readUint32(BASE + page * PAGE_SIZE + accessor * WORD_STRIDE)
  if (found !== value) {
    throw new Error(
      `space ${held.space}, page ${page}: accessor ${accessor} stored 0x${value.toString(16)} last, ` +
        `and it holds 0x${found.toString(16)}`,
    )
  }
}

/** What is still in use that was not before; the kernel heap keeps what its slabs have once taken. */
function usageProblem(before: object, after: object): string | null {
  const was = before as Record<string, number>
  const changed = Object.entries(after as Record<string, number>).filter(
    ([name, value]) => name !== 'heapWordsUsed' && value !== was[name],
  )
  return changed.length === 0
    ? null
    : `leak: ${changed.map(([name, value]) => `${name} was ${was[name]}, is ${value}`).join('; ')}`
}

/** As many frames were given back as were taken. */
function frameProblem(before: Record<string, number>, after: Record<string, number>): string | null {
  const taken = after['pgalloc']! - before['pgalloc']!
  const given = after['pgfree']! - before['pgfree']!
  return taken === given ? null : `${taken} frames were taken and ${given} given back`
}

if (roles.length > 256 || SPACES * VMA_MIX_PAGES * PAGE_SIZE * 8 > 4 * 2 ** 20)
  throw new Error('the machine is too small')

// Rounds of a campaign to which something happens at a moment that chance chooses: after so many tasks, and not after
// so much time, so that a seed says what is done. Its results have to be those of a campaign to which nothing does.

import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { on } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CampaignPlan, expandCampaign } from '../../src/campaign/campaign.ts'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { Store } from '../../src/campaign/store.ts'
import { Random } from '../../src/check/random.ts'
import { extent } from '../extent.ts'
import type { Order, Told } from './faults-campaign.ts'
import { freePort, kill, startServer } from './server.ts'
import { checks, runWith, textOf } from './support.ts'

const campaign = {
  name: 'faulty',
  jobs: [
    { check: ['fault-munmap'], designs: ['lespinasse-2021'], steps: extent(100_000, 400_000) },
    { check: ['refcount'], designs: ['classic'] },
    { check: ['fault-munmap'], designs: ['kamezawa-2009-refcount'], published: true, steps: 50_000 },
    { check: ['lost-update.ts', 'bytes.ts', 'register.ts'], steps: extent(40_000, 200_000) },
    { check: ['bytes.ts'], strategy: 'random', executions: extent(40_000, 100_000), seeds: [3] },
    { simulate: ['mmap1'], machines: ['machine.json'], designs: ['classic'], seeds: [1, 2, 3], effort: 0.05 },
  ],
}

export function faultyJobs(): Promise<CampaignPlan> {
  return expandCampaign(campaign, join(checks, 'campaign.json'))
}

interface Expected {
  readonly text: string
  /** Of the store at the end, each of 4 KiB. */
  readonly pages: number
}

let expected: Promise<Expected> | null = null

/** What comes of it where nothing happens. */
function expectedResults(): Promise<Expected> {
  expected ??= (async () => {
    const { jobs, folder } = await faultyJobs()
    const parent = mkdtempSync(join(tmpdir(), 'faultline-campaign-expected-'))
    const path = join(parent, 'store.sqlite')
    const { results, failed } = await runWith(new LocalExecutor(1, folder), jobs, Store.open(path))
    assert.deepEqual(failed, [])
    const pages = statSync(path).size / 4096
    rmSync(parent, { recursive: true })
    return { text: textOf(results), pages }
  })()
  return expected
}

/** What may happen, and to which executor. */
export const faults = {
  'a thread ends': 'local',
  'the campaign is killed': 'both',
  'the disk is full': 'both',
  'a worker is killed': 'queue',
  'the server is killed, and has lost all': 'queue',
  'the server is killed, and has kept all': 'queue',
  'a task is delivered again': 'queue',
} as const

export type Fault = keyof typeof faults

/** Something happens after each so many tasks, of the campaign's some thirty, or sixty in the whole. */
const GAP_MAX = 12
const FAULTS_MAX = 4
/** A store has eight pages when it is made. */
const PAGES_MIN = 9

export interface Round {
  readonly seed: number
  readonly executor: 'local' | 'queue'
  /** What happened, in its order. */
  readonly happened: readonly Fault[]
}

/** Runs a round. Throws where its results differ from what is expected. */
export async function runRound(seed: number, executor: Round['executor']): Promise<Round> {
  const { text, pages } = await expectedResults()
  assert.ok(pages > PAGES_MIN, `with ${pages} pages, the disk is never full`)
  const round = await FaultyRound.start(seed, executor, pages)
  try {
    assert.equal(await round.run(), text, `the results of round ${seed} on ${executor} differ`)
    return { seed, executor, happened: round.happened }
  } finally {
    await round.end()
  }
}

class FaultyRound {
  readonly happened: Fault[] = []
  readonly #random: Random
  readonly #folder = mkdtempSync(join(tmpdir(), 'faultline-campaign-faults-'))
  readonly #isLocal: boolean
  /** What is to happen, and after how many further tasks. */
  readonly #plan: { readonly fault: Fault; readonly gap: number }[]
  readonly #keeps: boolean
  /** With fewer than these, the store does not hold all results. */
  readonly #pages: number
  #port = 0
  #server: ChildProcess | null = null
  #workers: ChildProcess[] = []
  #campaign: ChildProcess | null = null

  private constructor(seed: number, executor: Round['executor'], pages: number) {
    this.#pages = pages
    this.#random = new Random(seed, 0)
    this.#isLocal = executor === 'local'
    const all = (Object.keys(faults) as Fault[]).filter((fault) => ['both', executor].includes(faults[fault]))
    this.#keeps = this.#random.below(2) === 0
    const forgets = this.#keeps
      ? 'the server is killed, and has lost all'
      : 'the server is killed, and has kept all'
    const possible = all.filter((fault) => fault !== forgets)
    const plan = Array.from({ length: 1 + this.#random.below(FAULTS_MAX) }, () => ({
      fault: possible[this.#random.below(possible.length)]!,
      gap: this.#random.below(GAP_MAX),
    }))
    // A store has its limit from the beginning of a process.
    const isFirst = ({ fault }: (typeof plan)[number]): boolean => fault === 'the disk is full'
    this.#plan = [...plan.filter(isFirst), ...plan.filter((each) => !isFirst(each))]
  }

  static async start(seed: number, executor: Round['executor'], pages: number): Promise<FaultyRound> {
    const round = new FaultyRound(seed, executor, pages)
    if (executor === 'local') return round
    round.#port = await freePort()
    round.#server = await startServer(round.#port, round.#folder, round.#keeps)
    round.#startWorker()
    round.#startWorker()
    return round
  }

  get #url(): string {
    return this.#isLocal ? '' : `redis://127.0.0.1:${this.#port}`
  }

  #startWorker(): void {
    this.#workers.push(fork(fileURLToPath(new URL('worker-child.ts', import.meta.url)), [this.#url, checks]))
  }

  /** Runs the campaign, again and again where it ends before its time. Returns its results. */
  async run(): Promise<string> {
    for (;;) {
      const results = await this.#runOnce()
      if (results !== null) return results
    }
  }

  async #runOnce(): Promise<string | null> {
    const isFull = this.#plan[0]?.fault === 'the disk is full'
    const pages = isFull ? PAGES_MIN + this.#random.below(this.#pages - PAGES_MIN) : 0
    if (isFull) this.#plan.shift()
    const values = [join(this.#folder, 'store.sqlite'), String(pages), this.#url]
    const child = fork(fileURLToPath(new URL('faults-campaign.ts', import.meta.url)), values)
    this.#campaign = child
    let tasks = 0
    for await (const [told] of on(child, 'message', { close: ['exit'] }) as AsyncIterable<[Told]>) {
      if ('results' in told) {
        assert.deepEqual(told.failed, [])
        return told.results
      }
      if ('stopped' in told) {
        assert.match(told.stopped, /database or disk is full/)
        this.happened.push('the disk is full')
        return null
      }
      const next = this.#plan[0]
      // A full disk waits for the next process.
      if (next === undefined || next.fault === 'the disk is full' || tasks++ < next.gap) continue
      tasks = 0
      this.#plan.shift()
      this.happened.push(next.fault)
      await this.#do(next.fault, child)
    }
    // It was killed, or has died by itself, which nothing here expects.
    assert.equal(child.signalCode, 'SIGKILL')
    return null
  }

  async #do(fault: Fault, campaignOf: ChildProcess): Promise<void> {
    switch (fault) {
      case 'a thread ends':
        campaignOf.send('end a thread' satisfies Order)
        return
      case 'the campaign is killed':
        campaignOf.kill('SIGKILL')
        return
      case 'a worker is killed': {
        const [worker] = this.#workers.splice(this.#random.below(this.#workers.length), 1)
        await kill(worker!)
        this.#startWorker()
        return
      }
      case 'a task is delivered again':
        campaignOf.send(this.#random.below(1000) satisfies Order)
        return
      case 'the server is killed, and has lost all':
      case 'the server is killed, and has kept all':
        await kill(this.#server!)
        this.#server = await startServer(this.#port, this.#folder, this.#keeps)
        return
      case 'the disk is full':
        throw new Error('it is full from the beginning')
    }
  }

  async end(): Promise<void> {
    const children = [...this.#workers, this.#campaign, this.#server].filter((child) => child !== null)
    await Promise.all(children.map(kill))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

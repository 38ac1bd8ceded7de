// How fast the kernel is in its steppable form, without the explorer and its detectors: write faults by two CPUs, in
// operations of Atomics a second of processor time. `node scripts/run.mjs bench/stepped.ts`, with rounds at will.

import os from 'node:os'
import {
  READY,
  SPINNING,
  Scheduler,
  Thread,
  alone,
  loadStepped,
  memory,
  runThreads,
  setSites,
} from '../src/backends/stepped/index.ts'
import type { FaultingCpus } from './stepped-faults.ts'

const CPUS = 2
/** The engine compiles what it meets often: the first runs are for that. */
const RUNS = 5

/** The same thread as long as it can, or another one at each step where it can. */
class Rule extends Scheduler {
  readonly threads = Array.from({ length: CPUS }, (_, id) => new Thread(id))
  readonly #switches: boolean
  steps = 0
  switched = 0
  #last = CPUS - 1

  constructor(switches: boolean) {
    super()
    this.#switches = switches
  }

  override choose(): number {
    this.steps++
    const last = this.#last
    for (let turn = this.#switches ? 1 : 0; turn <= CPUS; turn++) {
      const thread = this.threads[(last + turn) % CPUS]!
      if (thread.state === SPINNING && thread.sawChange()) thread.state = READY
      if (thread.state !== READY) continue
      if (thread.id !== last) this.switched++
      this.#last = thread.id
      return thread.id
    }
    return -1
  }

  override plainRead(): void {
    // Nobody watches.
  }

  override plainWrite(): void {
    // Nobody watches.
  }
}

const rounds = Number(process.argv[2] ?? 600)
const { exports, sites } = await loadStepped(new URL('stepped-faults.ts', import.meta.url))
setSites(sites)
memory.clear()
const cpus = alone((exports['make'] as (count: number) => FaultingCpus)(CPUS)) as FaultingCpus
memory.takeSnapshot()
console.log(`${os.cpus()[0]?.model}, Node ${process.version}`)
for (const switches of [false, true]) {
  let share = 0
  const rates = Array.from({ length: RUNS }, () => {
    memory.restore()
    const rule = new Rule(switches)
    const before = process.cpuUsage()
    const bodies = rule.threads.map(
      ({ id }) =>
        () =>
          cpus.work(id, rounds),
    )
    const { thrown } = runThreads(rule.threads, bodies, rule)
    if (thrown !== null) throw thrown.error
    share = rule.switched / rule.steps
    return rule.steps / process.cpuUsage(before).user
  })
  const text = rates.map((rate) => rate.toFixed(1)).join(', ')
  console.log(`${(share * 100).toFixed(1)} % of the steps by another CPU than the last: ${text} M atomics/s`)
}

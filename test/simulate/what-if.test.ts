// What if: which simulations are made of a recording, and how far they are beside what was recorded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type MachineModel,
  type SimulateAll,
  type WhatIf,
  findMachine,
  simulateOnWorkers,
  whatIf,
} from '../../src/simulate/index.ts'
import type { DesignName } from '../../src/workloads/index.ts'
import { CLONE_THREAD, TraceText } from '../trace/trace-text.ts'

const PAGE = 0x1000
const BASE = 0x7f0000000000
const OTHER = 0x7f0010000000

/** Two threads compute and fault, each on a CPU of its own; one holds the lock now and then. */
function program(): TraceText {
  const text = new TraceText()
    .exec(1)
    .mmap(1, 1, BASE, 64 * PAGE)
    .mmap(1, 1, OTHER, 64 * PAGE)
  text.cpuOf = (tid) => tid - 1
  text.newTask(1, 1, 2, CLONE_THREAD)
  for (let page = 0; page < 30; page++) {
    text
      .wait(100)
      .fault(1, 2, OTHER + page * PAGE, 6)
      .wait(2)
    text.enter(1, 1, 'mprotect', { start: BASE + page * PAGE, len: PAGE, prot: 1 }).lockStart(1, 1, true)
    text.lockAcquired(1, 1, true).wait(20).unlock(1, 1, true).exit(1, 1, 'mprotect', 0)
  }
  return text
}

interface Asked {
  readonly cpus?: readonly number[]
  readonly designs?: readonly DesignName[]
  readonly mostEvents?: number
  readonly machine?: string
  readonly simulateAll?: SimulateAll
}

async function ask(text: TraceText, asked: Asked = {}): Promise<WhatIf> {
  const {
    cpus = [4],
    designs = ['classic', 'per-vma-refcount-2025'],
    mostEvents = 1e9,
    machine = 'icelake-2s',
    ...how
  } = asked
  const trace = await text.import({ isTimed: true })
  try {
    const model = findMachine(machine) as MachineModel
    return await whatIf({ trace, machine: model, designs, cpus, seed: 1, mostEvents, ...how })
  } finally {
    trace.close()
  }
}

test('worker threads find the same, and what one of them throws is thrown', async () => {
  const asked: Asked = { simulateAll: simulateOnWorkers }
  assert.deepEqual(await ask(program(), asked), await ask(program()))
  const broken: SimulateAll = (values, jobs, onProgress) =>
    simulateOnWorkers({ ...values, plan: { ...values.plan, peakFrames: 2 ** 20 } }, jobs, onProgress)
  await assert.rejects(ask(program(), { simulateAll: broken }), {
    name: 'TraceTooLarge',
    message: /pages of memory at once/,
    remedy: /--process/,
  })
})

test('the recorded kernel comes first, on its CPUs; then others, and more CPUs', async () => {
  const { runs, recorded, error, seedSpread, leftOut } = await ask(program())
  assert.deepEqual(
    runs.map(({ design, cpus, bounds }) => [design, cpus, bounds.map(({ gaps }) => gaps)]),
    [
      ['per-vma-refcount-2025', 2, ['computing', 'blocking']],
      ['classic', 2, ['computing', 'blocking']],
      ['per-vma-refcount-2025', 4, ['computing', 'blocking']],
      ['classic', 4, ['computing', 'blocking']],
    ],
  )
  assert.deepEqual(
    [recorded.design, recorded.cpus, recorded.waits],
    ['per-vma-refcount-2025', 2, { count: 0, totalMs: 0 }],
  )
  // Nobody waited: of so few a factor would tell nothing.
  assert.deepEqual([error.waits, error.waitedMs, leftOut], [null, null, []])
  assert.ok(error.elapsed < 1.1 && seedSpread < 0.05, `${error.elapsed}, ${seedSpread}`)
  const classic = runs[1]!
  assert.ok(classic.lockedFaults > runs[0]!.lockedFaults)
})

test('few waits that took much of the time are compared, too', async () => {
  const text = program()
  text
    .enter(1, 1, 'mprotect', { start: BASE, len: PAGE, prot: 3 })
    .lockStart(1, 1, true)
    .lockAcquired(1, 1, true)
  text
    .fault(1, 2, OTHER + 40 * PAGE, 6)
    .lockStart(1, 2, false)
    .wait(4000)
  // The simulated call takes as long as such a call does, and not as this one was seen to.
  text.unlock(1, 1, true).exit(1, 1, 'mprotect', 0).lockAcquired(1, 2, false).unlock(1, 2, false)
  const { recorded, error } = await ask(text)
  assert.equal(recorded.waits!.count, 1)
  assert.equal(error.waits, null)
  assert.ok(error.waitedMs! > 2, JSON.stringify(error))
})

test('what would be too many events is left out, the last first', async () => {
  const all = await ask(program(), { cpus: [4] })
  // 2 bounds of 62 operations: the first run by three seeds, and one more.
  const operations = 62
  const some = await ask(program(), { mostEvents: 4 * 2 * operations + 10 })
  assert.deepEqual(
    some.runs.map(({ design, cpus }) => [design, cpus]),
    all.runs.slice(0, 2).map(({ design, cpus }) => [design, cpus]),
  )
  assert.deepEqual(some.leftOut, [
    { design: 'per-vma-refcount-2025', cpus: 4 },
    { design: 'classic', cpus: 4 },
  ])
  await assert.rejects(ask(program(), { mostEvents: 2 * operations }), {
    name: 'WhatIfRefused',
    message: /one run of the recorded kernel by 3 seeds are 372 events/,
  })
})

test('a recording without CPUs, or of more than the machine has, is refused', async () => {
  const text = program()
  text.lines.splice(0, text.lines.length, ...text.lines.map((line) => line.replace(/ \[\d+\]/, '')))
  await assert.rejects(ask(text), { name: 'WhatIfRefused', message: /does not tell on which CPUs/ })
  const many = program()
  many.cpuOf = () => 8
  await assert.rejects(ask(many.fault(1, 2, OTHER + 40 * PAGE, 6), { machine: 'here' }), {
    name: 'WhatIfRefused',
    message: /recorded on 9 CPUs, and here has 2/,
  })
})

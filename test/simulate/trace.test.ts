// Recorded programs on the simulated machine: what is performed, in which order, how long it takes, and who waits.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type MachineModel, findMachine, simulateTrace } from '../../src/simulate/index.ts'
import type { SimulatedTraceRun, TraceSimulateResult } from '../../src/simulate/index.ts'
import type { DesignName } from '../../src/workloads/index.ts'
import { type ImportedTrace, importTrace } from '../../src/trace/index.ts'
import { CLONE_FORK, CLONE_THREAD, TraceText, fixture } from '../trace/trace-text.ts'

const PAGE = 0x1000
const BASE = 0x7f0000000000
const OTHER = 0x7f0010000000
const WRITE = 6
const KERNEL_WRITE = 2

interface Options {
  readonly cpus?: number
  readonly seed?: number
  readonly design?: DesignName
  readonly machine?: string
}

async function result(trace: ImportedTrace, options: Options): Promise<TraceSimulateResult> {
  const { cpus = 2, seed = 1, design = 'classic', machine = 'here' } = options
  try {
    return await simulateTrace({
      trace,
      machine: findMachine(machine) as MachineModel,
      designs: [design],
      rwsems: 'year',
      cpus: [cpus],
      seed,
      config: {},
      rss: 'batched',
    })
  } finally {
    trace.close()
  }
}

/** The runs by which the gaps of a recording are computing, and blocking. */
async function bounds(text: TraceText, options: Options = {}): Promise<Record<string, SimulatedTraceRun>> {
  const { runs } = await result(await text.import({ isTimed: true }), options)
  assert.deepEqual(
    runs.map(({ gaps }) => gaps),
    ['computing', 'blocking'],
  )
  for (const { fidelity } of runs) {
    assert.deepEqual(fidelity.failures, {})
    assert.equal(fidelity.reproduced, fidelity.recorded)
  }
  return { computing: runs[0]!, blocking: runs[1]! }
}

const about = (value: number, expected: number, within: number): void =>
  assert.ok(Math.abs(value - expected) <= within, `${value}, and not ${expected} ± ${within}`)

/** Two threads, of which each writes to a page of its own after computing for so long. */
function twoThreads(microseconds: number): TraceText {
  const text = new TraceText()
    .exec(1)
    .mmap(1, 1, BASE, 4 * PAGE)
    .newTask(1, 1, 2, CLONE_THREAD)
  text.cpuOf = (tid) => tid
  text.fault(1, 1, BASE, WRITE).fault(1, 2, BASE + PAGE, WRITE)
  text.wait(microseconds)
  return text.fault(1, 1, BASE + 2 * PAGE, WRITE).fault(1, 2, BASE + 3 * PAGE, WRITE)
}

describe('a recorded program in virtual time', () => {
  it('takes the recorded faults and the time between them', async () => {
    const text = new TraceText().exec(1).mmap(1, 1, BASE, 4 * PAGE)
    for (let page = 0; page < 3; page++) text.wait(100).fault(1, 1, BASE + page * PAGE, WRITE)
    text.line(
      1,
      1,
      `exceptions:page_fault_kernel: address=0x7f0000003000 ip=copy_to_iter error_code=0x${KERNEL_WRITE}`,
    )
    text.munmap(1, 1, BASE, 4 * PAGE)
    const { computing } = await bounds(text)
    assert.deepEqual([computing!.faults, computing!.kernelFaults, computing!.lockedFaults], [4, 1, 4])
    about(computing!.virtualMs, 0.3, 0.05)
    assert.ok(computing!.timeByCause['computing']! > 0.8)
    assert.equal(computing!.queuedMs, 0)
  })

  it('two threads compute side by side on two CPUs, and in turn on one', async () => {
    const [two, one] = [await bounds(twoThreads(5000)), await bounds(twoThreads(5000), { cpus: 1 })]
    about(two['computing']!.virtualMs, 5, 0.1)
    about(one['computing']!.virtualMs, 10, 0.1)
    assert.equal(two['computing']!.queuedMs, 0)
    // In time slices of 0.7 ms: one of the two always waits, until the first has ended.
    about(one['computing']!.queuedMs, 9.3, 0.8)
    about(one['computing']!.idleShare, 0, 0.01)
  })

  it('who slept needs no CPU', async () => {
    const { blocking } = await bounds(twoThreads(5000), { cpus: 1 })
    about(blocking!.virtualMs, 5, 0.1)
    about(blocking!.idleShare, 1, 0.05)
  })

  it('where switches are recorded, a thread sleeps, computes and waits for a CPU as it did', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, BASE, 4 * PAGE)
      .fault(1, 1, BASE, WRITE)
    // Computes 1 ms, sleeps 5, computes 1, and is without a CPU for 3 that another process has.
    text.wait(1000).line(1, 1, 'PERF_RECORD_SWITCH OUT').wait(5000).line(1, 1, 'PERF_RECORD_SWITCH IN')
    text
      .wait(1000)
      .line(1, 1, 'PERF_RECORD_SWITCH OUT preempt')
      .wait(3000)
      .line(1, 1, 'PERF_RECORD_SWITCH IN')
    text.fault(1, 1, BASE + PAGE, WRITE)
    // On as many CPUs as there were, the other process has them as it had; on more, nobody else has.
    for (const [cpus, ms, queuedMs] of [
      [1, 10, 3],
      [2, 7, 0],
    ] as const) {
      const { runs } = await result(await text.import({ isTimed: true }), { cpus })
      assert.deepEqual(
        runs.map(({ gaps }) => gaps),
        ['recorded'],
      )
      about(runs[0]!.virtualMs, ms, 0.1)
      about(runs[0]!.idleShare, 1 - 2 / (cpus * ms), 0.02)
      about(runs[0]!.queuedMs, queuedMs, 0.01)
    }
  })

  it('who was woken by another sleeps until that one comes so far, however fast it is', async () => {
    // The second computes 4 ms, in which it has a processor for 1 only, wakes the first, and computes 1 ms more.
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, BASE, 4 * PAGE)
      .newTask(1, 1, 2, CLONE_THREAD)
    text.line(1, 1, 'PERF_RECORD_SWITCH OUT').line(1, 2, 'PERF_RECORD_SWITCH IN').fault(1, 2, BASE, WRITE)
    text
      .wait(500)
      .line(1, 2, 'PERF_RECORD_SWITCH OUT preempt')
      .wait(3000)
      .line(1, 2, 'PERF_RECORD_SWITCH IN')
      .wait(500)
    text.line(1, 2, 'sched:sched_waking: comm=program pid=1 prio=120 target_cpu=000')
    text
      .line(1, 1, 'PERF_RECORD_SWITCH IN')
      .wait(2000)
      .fault(1, 1, BASE + PAGE, WRITE)
    const { runs } = await result(await text.import({ isTimed: true }), {})
    assert.deepEqual([runs.length, runs[0]!.fidelity.reproduced], [1, 2])
    about(runs[0]!.virtualMs, 3, 0.1)
  })

  it('a thread begins when it was created, and touches what another has mapped after that', async () => {
    const text = new TraceText().exec(1).mmap(1, 1, BASE, PAGE).fault(1, 1, BASE, WRITE)
    text.wait(300).newTask(1, 1, 2, CLONE_THREAD)
    text.wait(200).mmap(1, 1, OTHER, PAGE).wait(100).fault(1, 2, OTHER, WRITE)
    const { computing } = await bounds(text)
    about(computing!.virtualMs, 0.6, 0.05)
  })

  it('a forked process computes beside its parent, and copies what it writes', async () => {
    const text = new TraceText().exec(1).mmap(1, 1, BASE, PAGE).fault(1, 1, BASE, WRITE)
    text.newTask(1, 1, 2, CLONE_FORK)
    text.wait(400).fault(2, 2, BASE, 7).fault(1, 1, BASE, 7)
    text.exitTask(2, 2, true).exitTask(1, 1, true)
    const { computing } = await bounds(text)
    assert.equal(computing!.faults, 3)
    about(computing!.virtualMs, 0.4, 0.05)
  })

  it('a fault waits for the lock while another thread changes a mapping, and how long is told', async () => {
    const PAGES = 2000
    // To protect 2000 pages takes longer than the other thread needs to come.
    const text = new TraceText().exec(1)
    text.mmap(1, 1, BASE, PAGES * PAGE, { flags: 0x8022 }).mmap(1, 1, OTHER, 2 * PAGE)
    text.newTask(1, 1, 2, CLONE_THREAD).fault(1, 2, OTHER, WRITE)
    text.wait(900)
    text.enter(1, 1, 'mprotect', { start: BASE, len: PAGES * PAGE, prot: 1 })
    text
      .wait(2)
      .fault(1, 2, OTHER + PAGE, WRITE)
      .exit(1, 1, 'mprotect', 0)
    const classic = (await bounds(text, { machine: 'skylake-2s' }))['computing']!
    const { readers, writers } = classic.lockWaits
    assert.equal(writers.count, 0)
    assert.equal(readers.count, 1)
    assert.ok(readers.totalMs > 0.005 && readers.totalMs < 1, `${readers.totalMs} ms`)
    assert.ok(classic.lines.some(({ name }) => name === 'mm.mmapLock'))
    const without = await bounds(text, { machine: 'skylake-2s', design: 'per-vma-refcount-2025' })
    assert.equal(without['computing']!.lockWaits.readers.count, 0)
  })

  /** A thread holds the lock for 200 µs in mprotect of one page, which another thread meets in its fault. */
  function longHold(): TraceText {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, BASE, PAGE)
      .mmap(1, 1, OTHER, 2 * PAGE)
    text.cpuOf = (tid) => tid
    text.newTask(1, 1, 2, CLONE_THREAD).fault(1, 2, OTHER, WRITE).wait(50)
    text.enter(1, 1, 'mprotect', { start: BASE, len: PAGE, prot: 1 }).lockStart(1, 1, true)
    text
      .lockAcquired(1, 1, true)
      .wait(100)
      .fault(1, 2, OTHER + PAGE, WRITE)
    text.wait(97).unlock(1, 1, true).wait(300).exit(1, 1, 'mprotect', 0)
    return text
  }

  it('the lock is held as long as it was recorded, and others wait for it as long', async () => {
    const classic = (await bounds(longHold()))['computing']!
    assert.deepEqual(
      classic.matrix.map(({ heldBy, waitedBy, waits }) => [heldBy, waitedBy, waits]),
      [['mprotect', 'page fault', 1]],
    )
    // From its fault on, and until it has been woken.
    about(classic.heldWaits.totalMs, 0.11, 0.02)
    about(classic.addedHeldMs, 0.2, 0.02)
    about(classic.lockWaits.readers.totalMs, classic.heldWaits.totalMs, 0)
  })

  it('who waits gets the lock when the event is written that says that it was given back', async () => {
    const waitedMs = async (eventMicroseconds: number): Promise<number> => {
      const text = new TraceText().exec(1).mmap(1, 1, BASE, PAGE).mmap(1, 1, OTHER, PAGE)
      text.cpuOf = (tid) => tid
      text.newTask(1, 1, 2, CLONE_THREAD).wait(50)
      text.enter(1, 1, 'mprotect', { start: BASE, len: PAGE, prot: 1 }).lockStart(1, 1, true)
      text.wait(eventMicroseconds - 1).lockAcquired(1, 1, true)
      text.wait(100).fault(1, 2, OTHER, WRITE)
      text.wait(97).unlock(1, 1, true).exit(1, 1, 'mprotect', 0)
      return (await bounds(text))['computing']!.heldWaits.totalMs
    }
    about((await waitedMs(9)) - (await waitedMs(1)), 0.008, 0.003)
  })

  it('under a design that takes no mmap lock for it nobody waits, and the work stays', async () => {
    const [classic, other] = [
      await bounds(longHold()),
      await bounds(longHold(), { design: 'per-vma-refcount-2025' }),
    ]
    assert.deepEqual(other['computing']!.heldWaits, { count: 0, totalMs: 0 })
    about(other['computing']!.virtualMs, classic['computing']!.virtualMs, 0.01)
    about(other['computing']!.addedMs, 0.3, 0.02)
  })

  it('a fault under the lock holds it as long as it was recorded, and no longer than the design does', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, BASE, PAGE)
      .mmap(1, 1, OTHER, 2 * PAGE)
    text.cpuOf = (tid) => tid
    text
      .newTask(1, 1, 2, CLONE_THREAD)
      .fault(1, 2, OTHER + PAGE, WRITE)
      .wait(100)
    text.fault(1, 2, OTHER, WRITE).lockStart(1, 2, false).lockAcquired(1, 2, false).wait(50)
    text.enter(1, 1, 'mprotect', { start: BASE, len: PAGE, prot: 1 }).lockStart(1, 1, true)
    text.wait(200).unlock(1, 2, false).lockAcquired(1, 1, true).unlock(1, 1, true).exit(1, 1, 'mprotect', 0)
    const classic = (await bounds(text))['computing']!
    assert.equal(classic.heldWaits.count, 1)
    // The writer has spun for 10 µs and sleeps: it is woken.
    about(classic.heldWaits.totalMs, 0.22, 0.02)
    const other = (await bounds(text, { design: 'per-vma-refcount-2025' }))['computing']!
    assert.equal(other.heldWaits.count, 0)
    about(other.addedMs, 0.25, 0.02)
    assert.equal(other.addedHeldMs < 0.01, true)
  })

  it('the same seed gives the same run', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const { wallMs: _, ...rest } = (await bounds(twoThreads(50), { seed }))['computing']!
      return rest
    }
    const first = await run(7)
    assert.deepEqual(await run(7), first)
    assert.notDeepEqual(await run(8), first)
  })

  it('a program of many threads, of which it is known when they slept and who woke them', async () => {
    const trace = await importTrace(fixture('node-readfile'), { isTimed: true })
    const { runs, trace: told } = await result(trace, { design: 'per-vma-refcount-2025' })
    assert.deepEqual([runs.length, runs[0]!.gaps], [1, 'recorded'])
    const [{ fidelity, lockWaits, heldWaits, virtualMs, cpus, idleShare }] = runs as [SimulatedTraceRun]
    assert.deepEqual(fidelity.failures, {})
    assert.ok(fidelity.reproduced > 0.999 * fidelity.recorded)
    assert.ok(lockWaits.readers.count > 0 && lockWaits.writers.count > 0)
    // As it was recorded: waits within a factor of 1.5, time within 20 %.
    const factor = (value: number, recorded: number): number => Math.max(value / recorded, recorded / value)
    assert.ok(factor(heldWaits.count, told.heldWaits.count) < 1.5, `${heldWaits.count} waits`)
    assert.ok(factor(heldWaits.totalMs, told.heldWaits.totalMs) < 1.5, `${heldWaits.totalMs} ms of waits`)
    about(virtualMs, told.durationMs, 0.2 * told.durationMs)
    assert.ok(cpus === 2 && idleShare > 0 && idleShare < 0.5)
  })

  it('the small recordings, with all that they do', async () => {
    const folder = join(import.meta.dirname, '..', 'fixtures', 'traces', 'small')
    for (const name of readdirSync(folder)) {
      // Brings in 128 MiB.
      if (name.startsWith('shared-populate')) continue
      const trace = await importTrace(join(folder, name), { isTimed: true })
      const { runs } = await result(trace, { design: 'per-vma-lock-2023' })
      for (const { fidelity, virtualMs } of runs) {
        assert.deepEqual([fidelity.failures, fidelity.reproduced], [{}, fidelity.recorded], name)
        assert.ok(virtualMs < 1, `${name}: ${virtualMs} ms`)
      }
    }
  })
})

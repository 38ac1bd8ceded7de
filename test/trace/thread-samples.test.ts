// What samples of the CPU tell: how much of the time after a fault or a call was of that.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ThreadSamples } from '../../src/trace/thread-samples.ts'
import { CLONE_THREAD, TraceText } from './trace-text.ts'

const FAULTED = 0x401000
const PAGE = 4096
const A = 0x7f0000000000

describe('samples', () => {
  test('of a fault: handlers in the call chain, and one at the instruction that is begun again', () => {
    const samples = new ThreadSamples()
    samples.begin(FAULTED, false)
    samples.ofKernel()
    for (const symbol of ['clear_page_erms', 'handle_mm_fault', 'exc_page_fault', 'asm_exc_page_fault'])
      samples.frame(symbol)
    samples.ofKernel()
    for (const symbol of ['futex_wake', 'do_syscall_64']) samples.frame(symbol)
    samples.ofProgram(FAULTED, 'memset')
    samples.ofProgram(FAULTED, 'memset')
    samples.ofProgram(FAULTED + 4, 'memset')
    assert.deepEqual(samples.counts(), { all: 5, own: 2 })
    samples.begin(FAULTED, false)
    assert.deepEqual(samples.counts(), { all: 0, own: 0 })
  })

  test('of a fault of the kernel: where it copies on, once', () => {
    const samples = new ThreadSamples()
    samples.begin('_copy_to_iter', false)
    for (let copy = 0; copy < 2; copy++) {
      samples.ofKernel()
      for (const symbol of ['_copy_to_iter', 'filemap_read', 'ksys_read']) samples.frame(symbol)
    }
    samples.ofKernel()
    for (const symbol of ['filemap_get_pages', '_copy_to_iter']) samples.frame(symbol)
    assert.deepEqual(samples.counts(), { all: 3, own: 1 })
  })

  test('of a call: in the function that has its name', () => {
    const samples = new ThreadSamples()
    samples.begin('munmap', true)
    for (const symbol of ['__munmap', 'runtime.munmap', 'munmap_chunk', 'my_munmapper', 'work', ''])
      samples.ofProgram(FAULTED, symbol)
    assert.deepEqual(samples.counts(), { all: 6, own: 3 })
  })
})

/** Faults of 20 µs of which a sample is seen each time, and computing of 60 µs, of which three are. */
function sampled(faults: number): TraceText {
  const text = new TraceText().exec(1).mmap(1, 1, A, faults * PAGE)
  const sample = (address: number): TraceText =>
    text.line(1, 1, `cpu-clock/period=1000000/uI:      ${address.toString(16)} work`)
  for (let page = 0; page < faults; page++) {
    text.fault(1, 1, A + page * PAGE, 6)
    if (page % 2 === 0) text.line(1, 1, 'cpu-clock/period=1000000,call-graph=fp/kI: ')
    else sample(FAULTED)
    if (page % 2 === 0)
      text.lines.push('\tffffffff81000100 clear_page', '\tffffffff81000200 asm_exc_page_fault', '')
    for (let at = 1; at <= 3; at++) sample(FAULTED + 8 * at)
    text.wait(75)
  }
  return text.munmap(1, 1, A, faults * PAGE)
}

test('a fault costs its share of the samples, however long the program computes after it', async () => {
  const trace = await sampled(400).import({ isReplayed: false })
  trace.close()
  const { user } = trace.faultCensus
  assert.equal(user.samples, 4 * 400)
  assert.ok(Math.abs(user.costNs / user.faults - 20_000) < 1000, `${user.costNs / user.faults} ns`)
  assert.deepEqual(trace.otherEvents, {})
})

test('without enough samples it is the shortest tenth', async () => {
  const trace = await sampled(5).import({ isReplayed: false })
  trace.close()
  const { samples, costNs } = trace.faultCensus.user
  assert.deepEqual([samples, costNs], [0, 0])
})

test('the idle task has samples and is no thread', async () => {
  const text = sampled(40)
  text.comm = 'swapper'
  const before = await sampled(40).import({ isReplayed: false })
  const trace = await text.line(0, 0, 'cpu-clock/period=1000000/kI: ').import({ isReplayed: false })
  for (const each of [before, trace]) each.close()
  assert.equal(trace.threads, before.threads)
})

test('work delays the whole by the threads that have a CPU, and one that has ended has none', async () => {
  const delay = async (ends: boolean): Promise<number> => {
    const text = new TraceText().exec(1)
    text.cpuOf = (tid) => tid - 1
    text.newTask(1, 1, 2, CLONE_THREAD).line(1, 2, 'PERF_RECORD_SWITCH IN')
    // perf sees no more of the thread, though others may.
    if (ends) text.line(1, 2, 'sched:sched_process_exit: comm=program pid=2 prio=120')
    text.mmap(1, 1, A, 200 * PAGE)
    for (let page = 0; page < 200; page++) text.fault(1, 1, A + page * PAGE, 6).wait(9)
    const trace = await text.munmap(1, 1, A, 200 * PAGE).import({ isReplayed: false })
    trace.close()
    return trace.faultCensus.user.delayedNs / trace.faultCensus.user.costNs
  }
  assert.deepEqual([await delay(false), await delay(true)], [0.5, 1])
})

test('a lock that a thread takes after it was seen to go on is not for its fault', async () => {
  const inFault = ['\tffffffff81000100 clear_page', '\tffffffff81000200 asm_exc_page_fault', '']
  const inCall = ['\tffffffff81000100 vfs_read', '\tffffffff81000200 do_syscall_64', '']
  for (const [address, chain, lockedFaults] of [
    [FAULTED, [], 1],
    [FAULTED + 8, [], 0],
    [-1, inFault, 1],
    [-1, inCall, 0],
    // A chain that was not recorded tells nothing.
    [-1, [], 1],
  ] as const) {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 4 * PAGE)
      .fault(1, 1, A, 6)
    const event =
      address < 0 ? 'cpu-clock/period=1000000,call-graph=fp/kI: ' : 'cpu-clock/period=1000000/uI:  '
    text.line(1, 1, address < 0 ? event : `${event}${address.toString(16)} work`)
    text.lines.push(...chain)
    text.lockStart(1, 1, false).lockAcquired(1, 1, false).wait(75_000).unlock(1, 1, false)
    const trace = await text.import({ isReplayed: false })
    trace.close()
    assert.equal(trace.faultCensus.user.lockedFaults, lockedFaults, `${address} ${chain.join()}`)
  }
})

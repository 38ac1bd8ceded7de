// What is collected for a page about a recording: threads over time, faults by kind, where the waiting went.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DetailCollector, type ImportObserver, type RecordedDetail } from '../../src/trace/index.ts'
import { symbolOf } from '../../src/trace/observer.ts'
import { Lane, SLICES, Timeline } from '../../src/trace/timeline.ts'
import { WaitTree } from '../../src/trace/wait-tree.ts'
import { CLONE_THREAD, TraceText } from './trace-text.ts'

const PAGE = 4096
const A = 0x7f0000000000

/** A program of threads 1 and 2, with 16 pages at A. */
function threads(): TraceText {
  return new TraceText()
    .exec(1)
    .newTask(1, 1, 2, CLONE_THREAD)
    .mmap(1, 1, A, 16 * PAGE)
}

async function detailOf(text: string): Promise<RecordedDetail> {
  const collector = new DetailCollector()
  const { importText } = await import('./trace-text.ts')
  const trace = await importText(text, { isReplayed: false, observers: [collector] })
  trace.close()
  return collector.result()
}

/** Thread 1 unmaps the last page and holds the lock meanwhile; thread 2 faults and waits `microseconds` for it. */
function contended(text: TraceText, microseconds: number, stack: readonly string[] = []): TraceText {
  text
    .enter(1, 1, 'munmap', { addr: A + 15 * PAGE, len: PAGE })
    .lockStart(1, 1, true)
    .lockAcquired(1, 1, true)
  text.fault(1, 2, A, 6).lockStart(1, 2, false)
  text.wait(microseconds).unlock(1, 1, true).lockAcquired(1, 2, false)
  text.lines.push(...stack, '')
  return text.unlock(1, 2, false).exit(1, 1, 'munmap', 0)
}

test('a wait, the hold that caused it, and the fault that it was for are told with their thread and length', async () => {
  const detail = await detailOf(contended(threads(), 100).toString())
  const [waiter, holder] = [2, 1].map((tid) => detail.lanes.find((lane) => lane.tid === tid)!)
  assert.deepEqual([waiter!.waits, waiter!.waitedNs, waiter!.faultCount], [1, 102_000, 1])
  assert.deepEqual([holder!.heldWriteNs, holder!.calls], [103_000, 2])
  const [kind] = detail.faultKinds
  assert.deepEqual(kind, {
    mode: 'user',
    access: 'write',
    cause: 'missing page',
    memory: 'anonymous',
    faults: 1,
    lockedFaults: 1,
    lockedNs: 104_000,
  })
  const [mapping] = detail.mappings
  assert.deepEqual(
    [mapping!.name, mapping!.protection, mapping!.firstPage, mapping!.writeFaults],
    ['anonymous memory', 'rw-p', A, 1],
  )
  const [process] = detail.waits.byCall.children
  assert.equal(process!.children[0]!.children[0]!.name, 'page fault')
  assert.equal(process!.children[0]!.children[0]!.children[0]!.name, 'kept by program: munmap')
  assert.equal(detail.waits.byStack, null)
})

test('the stack of a wait is the one behind the event that ends it, and no other', async () => {
  const stack = ['\tffffffff81200000 down_read+0x1a ([kernel.kallsyms])', '\t    401000 main (/bin/program)']
  const text = contended(threads(), 100, stack)
  text.fault(1, 2, A + PAGE, 6).lines.push('\t    402000 elsewhere (/bin/program)', '')
  const { waits } = await detailOf(text.toString())
  const path: string[] = []
  for (let node = waits.byStack!.children[0]; node !== undefined; node = node.children[0])
    path.push(node.name)
  assert.deepEqual(path, ['program (1)', 'main', 'down_read_[k]'])
  assert.equal(waits.byStack!.ns, 102_000)
})

test('the name in a line of a call chain', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['\tffffffff81101234 do_user_addr_fault+0x1a3 ([kernel.kallsyms])', 'do_user_addr_fault_[k]'],
    ['\t  7f00 [unknown] (/usr/lib/libc.so.6)', '[libc.so.6]'],
    ['\t               0 [unknown] ([unknown])', '[unknown]'],
    ['\t  55aa std::sort(int*, int) (/usr/bin/a b (deleted))', 'std::sort(int*, int) (/usr/bin/a b'],
    ['\t  55aa add', 'add'],
    ['\t', ''],
  ]
  for (const [line, symbol] of cases) assert.equal(symbolOf(line), symbol, line)
  assert.ok(symbolOf(`\t1 ${'('.repeat(1 << 16)}`).length <= 512)
})

test('what is told twice is in the record once: nobody waited longer than the sums say', async () => {
  const text = threads()
  for (let round = 0; round < 20; round++) contended(text, 10 * round + 1)
  const seen: number[] = []
  const ignore = (): void => {}
  const observer: ImportObserver = {
    begin: ignore,
    frame: ignore,
    hold: ignore,
    fault: ignore,
    call: ignore,
    wait: (_user, _holder, from, to) => seen.push(to - from),
  }
  const trace = await text.import({ isReplayed: false, observers: [observer] })
  trace.close()
  assert.equal(seen.length, 20)
  assert.equal(
    seen.reduce((sum, ns) => sum + ns, 0),
    trace.locks.waiters[0]!.waitedNs,
  )
})

test('slices double where a recording outgrows them, and lose nothing', () => {
  const timeline = new Timeline()
  timeline.begin(5_000)
  const lane: Lane = timeline.lane(1, 1, 'program', 'thread')
  let counted = 0
  for (let ns = 5_000; ns < 40_000_000; ns += 30_011) {
    timeline.count(lane.faults, ns)
    timeline.span(lane.waited, ns, ns + 7_000)
    counted++
  }
  const total = (series: Float64Array): number => series.reduce((sum, value) => sum + value, 0)
  assert.equal(total(lane.faults), counted)
  assert.equal(Math.round(total(lane.waited)), counted * 7_000)
  assert.ok(timeline.sliceNs * timeline.length >= 39_900_000 && timeline.length > SLICES / 2)
  assert.ok(timeline.length <= SLICES)
})

test('a tree of waits is bounded, and its sums stay whole', () => {
  const tree = new WaitTree()
  for (let one = 0; one < 30_000; one++) tree.add(['process', `thread ${one % 3}`, `frame ${one}`], 10)
  const root = tree.result()
  assert.deepEqual([root.ns, root.waits, root.children[0]!.ns], [300_000, 30_000, 300_000])
  assert.equal(root.children[0]!.children.length, 3)
  assert.equal(root.children[0]!.children[0]!.ns, 100_000)
})

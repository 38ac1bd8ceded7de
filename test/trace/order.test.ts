import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { importTrace, type ImportedTrace } from '../../src/trace/index.ts'
import { busyThreads, dealThreads } from '../../src/trace/lanes.ts'
import { OpStore, readChunks } from '../../src/trace/op-store.ts'
import { OP_DESTROY, OP_LEAVE, OP_TOUCH, OP_WAITS_SHIFT, PAYLOAD_WORDS } from '../../src/trace/operations.ts'
import { planReplay } from '../../src/trace/plan.ts'
import type { ReplayPlan } from '../../src/trace/plan-types.ts'
import { CLONE_FORK, CLONE_THREAD, CLONE_VFORK, fixture, TraceText } from './trace-text.ts'

interface Operation {
  readonly worker: number
  readonly number: number
  readonly op: number
  readonly tid: number
  readonly page: number
  readonly waits: readonly (readonly [worker: number, number: number])[]
}

/** The planned operations of each worker, in its order. */
function operationsOf(planned: ReplayPlan): Operation[][] {
  return planned.streams.map((stream, worker) => {
    const operations: Operation[] = []
    for (const { words, length } of readChunks(stream)) {
      for (let at = 0; at < length;) {
        const first = words[at++]!
        const op = first & 15
        const waits: [number, number][] = []
        for (let i = first >>> OP_WAITS_SHIFT; i > 0; i--, at += 2) waits.push([words[at]!, words[at + 1]!])
        const seat = words[at + PAYLOAD_WORDS[op]! - 1]!
        operations.push({
          worker,
          number: operations.length + 1,
          op,
          tid: planned.tids[seat]!,
          page: words[at]! >>> 0,
          waits,
        })
        at += PAYLOAD_WORDS[op]!
      }
    }
    return operations
  })
}

function plan(trace: ImportedTrace, workers: number = trace.seats.length): ReplayPlan {
  return planReplay('test', trace, workers, new OpStore('test', 2 ** 30))
}

/** Whether the waits, together with each worker's own order, force `a` to come before `b`. */
function isBefore(all: readonly Operation[][], a: Operation, b: Operation): boolean {
  // How far each worker must be before b.
  const reached = all.map(() => 0)
  const visit = (worker: number, number: number): void => {
    while (reached[worker]! < number) {
      const next = all[worker]![reached[worker]!++]!
      for (const [other, count] of next.waits) visit(other, count)
    }
  }
  visit(b.worker, b.number - 1)
  for (const [other, count] of b.waits) visit(other, count)
  return reached[a.worker]! >= a.number
}

/** Checks, for operations named by tid and number within the thread, which orders the plan keeps. */
async function orders(
  text: TraceText,
  expected: { before?: [a: string, b: string][]; free?: [a: string, b: string][]; waits?: number },
): Promise<void> {
  // A trace without any fault is none; the stack belongs to no test.
  if (!text.toString().includes('page_fault')) text.fault(1, 1, 0x7ffc00001000, 6)
  const trace = await text.import()
  const planned = plan(trace)
  const all = operationsOf(planned)
  trace.close()
  const named = (name: string): Operation => {
    const [tid, number] = name.split('.').map(Number)
    const own = all.flat().filter((operation) => operation.tid === tid)
    const found = own[number! - 1]
    assert.ok(found !== undefined, `there is no operation ${name}`)
    return found
  }
  for (const [a, b] of expected.before ?? [])
    assert.ok(isBefore(all, named(a), named(b)), `${a} must come before ${b}`)
  for (const [a, b] of expected.free ?? []) {
    assert.ok(
      !isBefore(all, named(a), named(b)) && !isBefore(all, named(b), named(a)),
      `${a} and ${b} must be free`,
    )
  }
  if (expected.waits !== undefined) assert.equal(planned.statistics.waits, expected.waits)
}

const A = 0x7f0000000000
const MEGABYTE = 0x100000

/** Two threads of process 1, numbered 1 and 2, that did nothing yet. */
const twoThreads = (): TraceText => new TraceText().exec(1).newTask(1, 1, 2, CLONE_THREAD)

describe('orders that are kept', () => {
  test('a thread begins after the call that created it', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x1000)
      .fault(1, 1, A, 6)
      .newTask(1, 1, 2, CLONE_THREAD)
      .mmap(1, 2, A + MEGABYTE, 0x1000)
      .mmap(1, 1, A + 2 * MEGABYTE, 0x1000)
    await orders(text, {
      before: [['1.2', '2.1']],
      free: [['1.3', '2.1']],
      waits: 1,
    })
  })

  test('a fault comes after the mmap of its page and before the munmap', async () => {
    const text = twoThreads().mmap(1, 1, A, 0x4000).fault(1, 2, A, 6).munmap(1, 1, A, 0x4000)
    await orders(text, {
      before: [
        ['1.1', '2.1'],
        ['2.1', '1.2'],
      ],
      waits: 2,
    })
  })

  test('mprotect and madvise(DONTNEED) in the same way', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .fault(1, 2, A, 6)
      .mprotect(1, 1, A, 0x2000, 1)
      .fault(1, 2, A + 0x1000, 4)
      .madvise(1, 1, A, 0x2000, 4)
      .fault(1, 2, A, 4)
    await orders(text, {
      before: [
        ['2.1', '1.2'],
        ['1.2', '2.2'],
        ['2.2', '1.3'],
        ['1.3', '2.3'],
      ],
    })
  })

  test('faults of two threads on one page, in recorded order', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .fault(1, 2, A, 4)
      .fault(1, 1, A, 7)
      .fault(1, 2, A + 0x1000, 6)
      .fault(1, 1, A + 0x2000, 6)
    await orders(text, {
      before: [['2.1', '1.2']],
      free: [['2.2', '1.3']],
    })
  })

  test('calls whose ranges overlap: memory is unmapped before it is mapped again', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .munmap(1, 1, A, 0x4000)
      .mmap(1, 2, A, 0x2000)
      .mmap(1, 2, A + MEGABYTE, 0x2000)
    await orders(text, { before: [['1.2', '2.1']] })
  })

  test('moves of the program break', async () => {
    const text = twoThreads()
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0x901000, 0x901000)
      .brk(1, 2, 0x902000, 0x902000)
      .brk(1, 1, 0x903000, 0x903000)
    await orders(text, {
      before: [
        ['1.2', '2.1'],
        ['2.1', '1.3'],
      ],
    })
  })

  test('mremap: both the old and the new range', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x2000)
      .fault(1, 2, A, 6)
      .enter(1, 1, 'mremap', { addr: A, old_len: 0x2000, new_len: 0x4000, flags: 1, new_addr: 0 })
      .exit(1, 1, 'mremap', A + MEGABYTE)
      .fault(1, 2, A + MEGABYTE + 0x3000, 6)
      .mmap(1, 2, A, 0x2000)
    await orders(text, {
      before: [
        ['2.1', '1.2'],
        ['1.2', '2.2'],
        ['1.2', '2.3'],
      ],
    })
  })
})

describe('processes', () => {
  test('a fork comes after what its parent did on any page, and before all that it does afterwards', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .fault(1, 2, A, 6)
      .newTask(1, 1, 3, CLONE_FORK)
      .fault(1, 2, A + 0x1000, 6)
      .mmap(1, 2, A + MEGABYTE, 0x1000)
      .fault(3, 3, A, 7)
      .mmap(3, 3, A + MEGABYTE, 0x1000)
    await orders(text, {
      before: [
        ['2.1', '1.2'],
        ['1.2', '2.2'],
        ['1.2', '2.3'],
        ['1.2', '3.1'],
      ],
      // What each does in its own copy then is its own affair.
      free: [
        ['2.2', '3.1'],
        ['2.3', '3.2'],
      ],
    })
  })

  test('a thread of the child comes after the fork through the thread that made it', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x4000)
      .newTask(1, 1, 2, CLONE_FORK)
      // Has done nothing before, so that there is nothing of its own to wait for.
      .newTask(2, 2, 3, CLONE_THREAD)
      .fault(2, 3, A, 6)
      .fault(2, 2, A + 0x1000, 6)
    await orders(text, {
      before: [['1.2', '3.1']],
      free: [['3.1', '2.1']],
    })
  })

  test('a parent goes on after the child that borrowed its memory has given it back by exec', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x4000)
      .newTask(1, 1, 2, CLONE_VFORK)
      .fault(2, 2, A, 6)
      .exec(2)
      .fault(1, 1, A + 0x1000, 6)
      .fault(2, 2, 0x7ffc00001000, 6)
      .fault(1, 1, A + 0x2000, 6)
    await orders(text, {
      before: [
        ['1.1', '2.1'],
        ['2.1', '1.2'],
        ['2.1', '2.2'],
      ],
      // 2.2 is exec, which makes another address space.
      free: [
        ['2.2', '1.2'],
        ['2.3', '1.2'],
      ],
      waits: 1,
    })
  })

  test('and by exit', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x4000)
      .newTask(1, 1, 2, CLONE_VFORK)
      .fault(2, 2, A, 6)
      .exitTask(2, 2, true)
      .fault(1, 1, A, 4)
    await orders(text, { before: [['2.1', '1.2']], waits: 0 })
  })

  test('a shell that starts many programs, and does nothing in between, awaits each of them once', async () => {
    const programs = 60
    const text = new TraceText().exec(1).mmap(1, 1, A, 0x4000)
    for (let pid = 2; pid < 2 + programs; pid++)
      text.newTask(1, 1, pid, CLONE_VFORK).exec(pid).fault(pid, pid, 0x7ffc00001000, 6)
    const trace = await text.fault(1, 1, A, 6).import()
    const { statistics } = plan(trace, 8)
    trace.close()
    assert.equal(statistics.execs, programs)
    assert.ok(statistics.waits <= 2 * programs, `${statistics.waits} waits`)
  })

  test('an address space is destroyed after everything that any thread did in it', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .fault(1, 2, A, 6)
      .exitTask(1, 1, false)
      .fault(1, 2, A + 0x1000, 6)
      .exitTask(1, 2, true)
    // Leaving and destroying are done for whoever left last: the worker of the other leaves first.
    const trace = await text.import()
    const all = operationsOf(plan(trace))
    trace.close()
    const [leave, ...more] = all.flat().filter(({ op }) => op === OP_LEAVE)
    const destroy = all.flat().find(({ op }) => op === OP_DESTROY)!
    assert.deepEqual(more, [])
    assert.notEqual(leave!.worker, destroy.worker)
    for (const other of all.flat()) if (other !== destroy) assert.ok(isBefore(all, other, destroy))
  })

  test('exec destroys what was before, unless another process still uses it', async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x1000)
      .fault(1, 1, 0x7ffc00001000, 6)
      .newTask(1, 1, 2, CLONE_FORK)
      .fault(2, 2, 0x7ffc00001000, 7)
      .exec(2)
      .newTask(1, 1, 3, CLONE_VFORK)
      .exec(3)
      .exec(1)
    const trace = await text.import()
    const { statistics } = plan(trace)
    trace.close()
    // The copy of 2, and what 1 had; not what 3 had borrowed.
    const { forks, execs, exits } = statistics
    assert.deepEqual([forks, execs, exits], [1, 3, 2])
  })

  test('processes that do not live at the same time share a worker', async () => {
    const text = new TraceText().exec(1).mmap(1, 1, A, 0x1000)
    for (let child = 2; child < 8; child++) {
      text.newTask(1, 1, child, CLONE_FORK).exec(child).fault(child, child, 0x7ffc00001000, 6)
      text.exitTask(child, child, true)
    }
    const trace = await text.import()
    assert.equal(busyThreads(trace.seats), 2)
    trace.close()
  })

  test('memory is what is there at a time: copies count when they are written, and go with their process', async () => {
    const children = 50
    const text = new TraceText().exec(1).mmap(1, 1, A, 0x10000)
    for (let page = 0; page < 16; page++) text.fault(1, 1, A + page * 0x1000, 6)
    for (let child = 2; child < 2 + children; child++) {
      text.newTask(1, 1, child, CLONE_FORK)
      for (let page = 0; page < 4; page++) text.fault(child, child, A + page * 0x1000, 7)
      text.exitTask(child, child, true)
    }
    const trace = await text.import()
    const { peakFrames, peakSpaces } = plan(trace)
    trace.close()
    // The parent's 16, what a child copies of them, and the top of the stack, where exec puts the arguments.
    assert.deepEqual([peakFrames, peakSpaces], [16 + 4 + 1, 2])
  })
})

describe('what must be free beside a range', () => {
  test('the gap below a stack that grows', async () => {
    const STACK = 0x7ffc00000000
    const below = STACK - 0x1000 - 256 * 0x1000
    const grown = (start: number): TraceText =>
      twoThreads()
        .mmap(1, 1, start, 0x1000)
        .munmap(1, 1, start, 0x1000)
        .fault(1, 2, STACK - 0x1000, 6)
        .mmap(1, 1, start, 0x1000)
    await orders(grown(below), {
      before: [
        ['1.2', '2.1'],
        ['2.1', '1.3'],
      ],
    })
    await orders(grown(below - 0x1000), { free: [['1.2', '2.1']] })
  })

  test('the page behind a heap that grows', async () => {
    const heap = (behind: number): TraceText =>
      twoThreads()
        .brk(1, 1, 0, 0x900000)
        .brk(1, 1, 0x901000, 0x901000)
        .mmap(1, 2, behind, 0x1000)
        .munmap(1, 2, behind, 0x1000)
        .brk(1, 1, 0x904000, 0x904000)
        .mmap(1, 2, behind, 0x1000)
    await orders(heap(0x904000), {
      before: [
        ['2.2', '1.3'],
        ['1.3', '2.3'],
      ],
    })
    await orders(heap(0x905000), { free: [['2.2', '1.3']] })
  })
})

describe('file mappings', () => {
  const withFile = (): TraceText =>
    new TraceText()
      .exec(1, [`PERF_RECORD_MMAP2 1/1: [0x${A.toString(16)}(0x40000) @ 0 fe:00 7 0]: rw-p data`])
      .newTask(1, 1, 2, CLONE_THREAD)
      .mmap(1, 1, A + MEGABYTE, 0x1000)

  test('a read fault concerns every page that may be mapped around it', async () => {
    const text = withFile()
      .fault(1, 1, A + 0x3000, 4)
      .fault(1, 2, A + 0xf000, 7)
      .fault(1, 2, A + 0x10000, 6)
    await orders(text, { before: [['1.2', '2.1']] })
  })

  test('and comes after writes to those pages', async () => {
    const text = withFile()
      .fault(1, 2, A + 0xf000, 6)
      .fault(1, 1, A + 0x3000, 4)
    await orders(text, { before: [['2.1', '1.2']] })
  })

  test('not the pages of the next window, and writes concern their page only', async () => {
    const text = withFile()
      .fault(1, 1, A + 0x3000, 4)
      .fault(1, 2, A + 0x10000, 6)
      .fault(1, 1, A + 0x11000, 6)
    await orders(text, {
      free: [
        ['1.2', '2.1'],
        ['2.1', '1.3'],
      ],
    })
  })

  test('near the beginning of a mapping the window is not aligned, as in Linux', async () => {
    const start = A + 0x3000
    const text = new TraceText()
      .exec(1, [`PERF_RECORD_MMAP2 1/1: [0x${start.toString(16)}(0x40000) @ 0 fe:00 7 0]: rw-p data`])
      .newTask(1, 1, 2, CLONE_THREAD)
      .mmap(1, 1, A + MEGABYTE, 0x1000)
      .fault(1, 1, A + 0x4000, 4)
      .fault(1, 2, A + 0x12000, 7)
      .fault(1, 2, A + 0x13000, 6)
    await orders(text, { before: [['1.2', '2.1']] })
    const beyond = new TraceText()
      .exec(1, [`PERF_RECORD_MMAP2 1/1: [0x${start.toString(16)}(0x40000) @ 0 fe:00 7 0]: rw-p data`])
      .newTask(1, 1, 2, CLONE_THREAD)
      .mmap(1, 1, A + MEGABYTE, 0x1000)
      .fault(1, 1, A + 0x4000, 4)
      .fault(1, 2, A + 0x13000, 6)
    await orders(beyond, { free: [['1.2', '2.1']] })
  })
})

describe('files of several processes', () => {
  const forked = (access = 'r--p'): TraceText => {
    const program = (pid: number): string =>
      `PERF_RECORD_MMAP2 ${pid}/${pid}: [0x400000(0x40000) @ 0 fe:00 7 0]: ${access} program`
    return new TraceText()
      .exec(1, [program(1)])
      .mmap(1, 1, A, 0x1000)
      .newTask(1, 1, 2, CLONE_FORK)
      .exec(2, [program(2)])
  }

  test('the first fault on a page comes after all that would have mapped it around, had it been there', async () => {
    const text = forked()
      .fault(1, 1, 0x403000, 4)
      .fault(2, 2, 0x402000, 4)
      .fault(2, 2, 0x405000, 4)
      .fault(1, 1, 0x405000, 4)
      .fault(1, 1, 0x420000, 4)
    // 1.1 and 1.2: mmap and fork; 2.1: exec.
    await orders(text, {
      before: [
        ['1.3', '2.3'],
        // As the page was brought in by 2.3, another fault on it comes after that.
        ['2.3', '1.4'],
      ],
      free: [['1.3', '2.2']],
    })
  })

  test('faults on a page that was mapped around and then written, and near it, keep their order', async () => {
    const text = forked('rw-p')
      .fault(1, 1, 0x403000, 4)
      .fault(2, 2, 0x402000, 4)
      .fault(1, 1, 0x405000, 7)
      .fault(2, 2, 0x413000, 4)
      .fault(1, 1, 0x424000, 4)
    // 2.1 and 2.2: the copy of the memory is left, exec.
    await orders(text, {
      before: [
        // Both had page 5 mapped around, so that neither met the other there; and the writer had it locked.
        ['1.3', '2.3'],
        ['2.3', '1.4'],
      ],
      free: [['2.4', '1.5']],
    })
  })

  test('pages that nothing was mapped around concern nobody else', async () => {
    const text = forked().fault(1, 1, 0x403000, 4).fault(2, 2, 0x413000, 4).fault(1, 1, 0x423000, 4)
    await orders(text, {
      free: [
        ['1.3', '2.2'],
        ['2.2', '1.4'],
      ],
    })
  })
})

describe('orders that are not kept', () => {
  test('faults on different pages, calls on different ranges', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x4000)
      .mmap(1, 2, A + 0x4000, 0x4000)
      .fault(1, 1, A, 6)
      .fault(1, 2, A + 0x4000, 6)
      .munmap(1, 1, A, 0x4000)
      .mprotect(1, 2, A + 0x4000, 0x1000, 1)
    await orders(text, { waits: 0 })
  })

  test('two mappings in the same free gap', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x8000)
      .munmap(1, 1, A, 0x8000)
      .mmap(1, 2, A, 0x4000)
      .mmap(1, 1, A + 0x4000, 0x4000)
    await orders(text, {
      before: [['1.2', '2.1']],
      free: [['2.1', '1.3']],
    })
  })

  test('a call on part of a mapping and a fault on another part', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x8000)
      .fault(1, 2, A, 6)
      .mprotect(1, 1, A + 0x4000, 0x1000, 1)
      .fault(1, 2, A + 0x1000, 6)
    await orders(text, {
      free: [
        ['2.1', '1.2'],
        ['1.2', '2.2'],
      ],
    })
  })

  test('advice about fork or core dumps, and faults', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x8000)
      .fault(1, 2, A, 6)
      .madvise(1, 1, A, 0x8000, 10)
      .fault(1, 2, A + 0x1000, 6)
      .munmap(1, 2, A, 0x8000)
    await orders(text, {
      before: [['1.2', '2.3']],
      free: [
        ['2.1', '1.2'],
        ['1.2', '2.2'],
      ],
    })
  })
})

describe('when a call takes effect', () => {
  // A fault that Linux recorded while another thread's munmap of the same page was under way.
  const during = (withLock: boolean, atEnd: boolean): TraceText => {
    const text = twoThreads().mmap(1, 1, A, 0x2000)
    if (withLock) text.lockStart(1, 1, true).lockAcquired(1, 1, true).unlock(1, 1, true)
    text.fault(1, 2, A, 6).enter(1, 1, 'mprotect', { start: A, len: 0x2000, prot: 1 })
    if (withLock && !atEnd) text.lockStart(1, 1, true).lockAcquired(1, 1, true).unlock(1, 1, true)
    text.fault(1, 2, A + 0x1000, 4)
    if (withLock && atEnd) text.lockStart(1, 1, true).lockAcquired(1, 1, true).unlock(1, 1, true)
    return text.exit(1, 1, 'mprotect', 0)
  }
  test('where it got the lock for writing', async () => {
    await orders(during(true, false), { before: [['1.2', '2.2']] })
    await orders(during(true, true), { before: [['2.2', '1.2']] })
  })
  test('without lock events: mprotect at its exit', async () => {
    await orders(during(false, false), { before: [['2.2', '1.2']] })
  })
  test('without lock events: a fault that would not have been allowed shows that it was earlier', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x2000, { protection: 0 })
      .enter(1, 1, 'mprotect', { start: A, len: 0x2000, prot: 3 })
      .fault(1, 2, A, 6)
      .exit(1, 1, 'mprotect', 0)
    await orders(text, { before: [['1.2', '2.1']] })
  })
  test('without lock events: munmap at its enter', async () => {
    const text = twoThreads()
      .mmap(1, 1, A, 0x2000)
      .enter(1, 1, 'munmap', { addr: A, len: 0x2000 })
      .mmap(1, 2, A, 0x2000)
      .fault(1, 2, A, 6)
      .exit(1, 1, 'munmap', 0)
    await orders(text, {
      before: [
        ['1.2', '2.1'],
        ['1.2', '2.2'],
      ],
    })
  })
})

const seat = (tid: number, operations: number, lender = -1, taken = 0, left = Number.POSITIVE_INFINITY) => ({
  tid,
  image: 0,
  guest: false,
  lender,
  operations,
  taken,
  left,
})

test('who borrowed memory shares a worker with who waits for it', () => {
  const threads = [seat(1, 5), seat(2, 9, 0), seat(3, 4), seat(4, 1, 1), seat(5, 0)]
  assert.equal(busyThreads(threads), 2)
  const workerOf = dealThreads(threads, 2)
  assert.deepEqual([workerOf[1], workerOf[3]], [workerOf[0], workerOf[0]])
  assert.notEqual(workerOf[2], workerOf[0])
})

test('what one wait implies needs no other', async () => {
  // 3 waits for 2, which has waited for 1: 3 need not wait for 1.
  const text = new TraceText()
    .exec(1)
    .newTask(1, 1, 2, CLONE_THREAD)
    .newTask(1, 1, 3, CLONE_THREAD)
    .mmap(1, 1, A, 0x2000)
    .fault(1, 2, A, 6)
    .munmap(1, 3, A, 0x2000)
  await orders(text, {
    before: [
      ['1.1', '3.1'],
      ['2.1', '3.1'],
    ],
    waits: 2,
  })
})

test('the longest chain', async () => {
  const text = twoThreads().mmap(1, 1, A, 0x8000)
  for (let page = 0; page < 4; page++) text.fault(1, 1, A + page * 0x1000, 6)
  for (let page = 4; page < 8; page++) text.fault(1, 2, A + page * 0x1000, 6)
  text.munmap(1, 1, A, 0x8000)
  const trace = await text.import()
  const { statistics } = plan(trace)
  trace.close()
  // mmap, then four faults side by side with four others, then munmap.
  assert.deepEqual([statistics.operations, statistics.longestChain], [10, 6])
})

test('threads are dealt out evenly, each to one worker', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 12 }),
      (operations, workers) => {
        const threads = operations.map((count, tid) => seat(tid, count))
        const workerOf = dealThreads(threads, workers)
        const load = Array.from({ length: workers }, () => 0)
        operations.forEach((count, thread) => (load[workerOf[thread]!]! += count))
        const average = operations.reduce((sum, count) => sum + count, 0) / workers
        assert.ok(Math.max(...load) <= average + Math.max(...operations))
      },
    ),
  )
})

// ---- random programs, against a slow and obvious analysis

interface Step {
  readonly thread: number
  readonly kind: 'fault' | 'protect' | 'drop' | 'remap'
  readonly first: number
  readonly pages: number
}

const AREA_PAGES = 24
const step: fc.Arbitrary<Step> = fc.record({
  thread: fc.integer({ min: 0, max: 3 }),
  kind: fc.constantFrom('fault', 'fault', 'fault', 'fault', 'protect', 'drop', 'remap'),
  first: fc.nat(AREA_PAGES - 1),
  pages: fc.integer({ min: 1, max: 8 }),
})

test('random programs: exactly the orders that overlapping operations need', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, workers) => {
        const text = new TraceText().exec(1)
        for (const tid of [2, 3, 4]) text.newTask(1, 1, tid, CLONE_THREAD)
        const operations: { tid: number; first: number; behind: number }[] = []
        text.mmap(1, 1, A, AREA_PAGES * 0x1000)
        operations.push({ tid: 1, first: 0, behind: AREA_PAGES })
        for (const { thread, kind, first, pages } of steps) {
          const tid = thread + 1
          const behind = kind === 'fault' ? first + 1 : Math.min(AREA_PAGES, first + pages)
          const start = A + first * 0x1000
          const length = (behind - first) * 0x1000
          if (kind === 'fault') text.fault(1, tid, start, 6)
          else if (kind === 'protect') text.mprotect(1, tid, start, length, 3)
          else if (kind === 'drop') text.madvise(1, tid, start, length, 4)
          else text.mmap(1, tid, start, length, { fixed: true })
          operations.push({ tid, first, behind })
        }
        if (!steps.some(({ kind }) => kind === 'fault')) {
          text.fault(1, 1, A, 6)
          operations.push({ tid: 1, first: 0, behind: 1 })
        }
        const trace = await text.import()
        const planned = plan(trace, workers)
        trace.close()
        const all = operationsOf(planned)
        // The planned operations in recorded order: each worker keeps it, so threads tell which comes next.
        const next = new Map<number, number>()
        const byTid = new Map<number, Operation[]>()
        for (const operation of all.flat())
          byTid.set(operation.tid, [...(byTid.get(operation.tid) ?? []), operation])
        const recorded = operations.map(({ tid }) => {
          const number = next.get(tid) ?? 0
          next.set(tid, number + 1)
          return byTid.get(tid)![number]!
        })
        // needed[b] holds every a that must come before b, through chains of overlaps and of workers' own orders.
        const needed: Set<number>[] = []
        for (const [b, later] of operations.entries()) {
          const before = new Set<number>()
          for (let a = 0; a < b; a++) {
            const earlier = operations[a]!
            const overlap = earlier.first < later.behind && later.first < earlier.behind
            if (overlap || recorded[a]!.worker === recorded[b]!.worker) {
              before.add(a)
              for (const further of needed[a]!) before.add(further)
            }
          }
          needed.push(before)
          for (let a = 0; a < b; a++)
            assert.equal(isBefore(all, recorded[a]!, recorded[b]!), before.has(a), `${a} before ${b}`)
        }
        // No wait goes forwards, so that the workers cannot wait in a circle.
        for (const [b, operation] of recorded.entries()) {
          for (const [worker, number] of operation.waits) {
            const awaited = all[worker]![number - 1]!
            assert.ok(recorded.indexOf(awaited) < b)
            assert.ok(worker !== operation.worker)
          }
        }
      },
    ),
    { numRuns: 120 },
  )
})

test('a real program: the number of workers changes waits, not operations', async () => {
  const trace = await importTrace(fixture('node-workers'))
  const counts = [1, 2, 11].map((workers) => plan(trace, workers).statistics)
  trace.close()
  assert.deepEqual(
    counts.map(({ operations, faults }) => [operations, faults]),
    [
      [51618, 44472],
      [51618, 44472],
      [51618, 44472],
    ],
  )
  assert.equal(counts[0]!.waits, 0)
  assert.equal(counts[0]!.longestChain, 51618)
  assert.ok(counts[2]!.waits > 0 && counts[2]!.longestChain < 51618 / 3)
})

test('plans in a temporary file are the same as in memory', async () => {
  const trace = await importTrace(fixture('redis-bgsave'))
  const inMemory = plan(trace, 2)
  const store = new OpStore('test', 0)
  const spooled = planReplay('test', trace, 2, store)
  assert.ok(store.spooled)
  assert.deepEqual(operationsOf(spooled), operationsOf(inMemory))
  assert.ok(
    operationsOf(spooled)
      .flat()
      .some(({ op }) => op === OP_TOUCH),
  )
  store.close()
  trace.close()
})

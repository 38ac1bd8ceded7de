import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import {
  importTrace,
  type ImportOptions,
  replayTrace,
  TraceError,
  type ReplayOptions,
  type ReplayResult,
} from '../../src/trace/index.ts'
import { extent, isWhole } from '../extent.ts'
import { CLONE_FORK, CLONE_THREAD, CLONE_VFORK, fixture, TraceText } from './trace-text.ts'

const TIMEOUT = { timeout: 180_000 }

/** What must be so in every replay. */
function assertConsistent(result: ReplayResult): void {
  const { fidelity } = result
  assert.deepEqual(fidelity.failures, [])
  assert.equal(fidelity.failed, 0)
  assert.equal(fidelity.reproduced + fidelity.notReproduced, fidelity.recorded)
  const kinds = Object.values(fidelity.notReproducedByKind).reduce((sum, count) => sum + count, 0)
  assert.equal(kinds, fidelity.notReproduced, 'every fault that was not reproduced is of some kind')
  assert.equal(fidelity.ratio, fidelity.reproduced / fidelity.recorded)
  assert.equal(result.speculative.succeeded + result.classicFaults, result.faults)
  assert.ok(result.faults >= fidelity.reproduced)
  assert.ok(result.elapsedMs > 0 && result.faultsPerSecond > 0)
  const { p50, p99, max } = result.faultLatencyNs
  assert.ok(p50 > 0 && p50 <= p99)
  assert.ok(max > 0)
}

async function replayFixture(
  name: string,
  options: ReplayOptions,
  process: NonNullable<ImportOptions['process']> = 'all',
): Promise<ReplayResult> {
  const trace = await importTrace(fixture(name), { process })
  try {
    return await replayTrace(trace, options)
  } finally {
    trace.close()
  }
}

async function replayText(text: TraceText, process?: number): Promise<ReplayResult> {
  const trace = await text.import(process === undefined ? {} : { process })
  try {
    return await replayTrace(trace)
  } finally {
    trace.close()
  }
}

describe('a Node.js process with eleven threads', () => {
  for (const design of ['classic', 'lespinasse-2021'] as const) {
    // One each; the whole check has a second.
    const rwsems = design === 'classic' ? (['spinning', 'xadd'] as const) : (['generic', 'spinning'] as const)
    for (const rwsem of isWhole ? rwsems : rwsems.slice(0, 1)) {
      test(`${design}, ${rwsem}`, TIMEOUT, async () => {
        // As many workers as there are processors; the whole check has one for each recorded thread.
        const threads = isWhole ? 11 : undefined
        const result = await replayFixture('node-workers', {
          design,
          rwsem,
          ...(threads !== undefined && { threads }),
        })
        assertConsistent(result)
        assert.deepEqual(
          [result.design, result.rwsem, result.threads],
          [design, rwsem, threads ?? Math.min(11, availableParallelism())],
        )
        assert.equal(result.fidelity.recorded, 44472)
        assert.ok(result.fidelity.ratio >= 0.98, `fidelity ${result.fidelity.ratio}`)
        assert.equal(result.operations.operations, 51618)
        if (design === 'classic') {
          assert.equal(result.speculative.attempted, 0)
          assert.equal(result.classicFaults, result.faults)
        } else {
          assert.ok(result.speculative.succeeded > result.faults / 2)
          assert.ok(result.speculative.attempted >= result.speculative.succeeded)
          const aborted = Object.values(result.speculative.aborted).reduce((sum, count) => sum + count, 0)
          assert.equal(aborted, result.speculative.attempted - result.speculative.succeeded)
        }
        assert.ok(result.mmapLockWaitNs.count >= 0 && result.mmapLockWaitNs.p50 <= result.mmapLockWaitNs.p99)
      })
    }
  }

  test('on two worker threads, from a temporary file, with progress', TIMEOUT, async () => {
    const trace = await importTrace(fixture('node-workers'), { memoryLimit: 100_000 })
    assert.ok(trace.spooled)
    const seen: number[] = []
    const result = await replayTrace(trace, {
      threads: 2,
      onProgress: ({ done, operations }) => {
        assert.ok(operations >= 51618 && operations < 51618 + 11)
        seen.push(done)
      },
    })
    trace.close()
    assertConsistent(result)
    assert.equal(result.threads, 2)
    assert.ok(result.fidelity.ratio >= 0.98)
    assert.ok(seen.every((done, at) => at === 0 || done >= seen[at - 1]!))
  })
})

describe('whole programs of several processes', () => {
  const designs = ['classic', 'lespinasse-2021', 'per-vma-lock-2023', 'per-vma-refcount-2025'] as const
  const recordings = [
    ['redis-bgsave', 11278, 1, 7, 6, 8],
    ['kernbench', 17653, 1, 0, 24, 25],
  ] as const
  for (const [index, [name, recorded, least, forks, programs, processes]] of recordings.entries()) {
    test(name, TIMEOUT, async (t) => {
      const trace = await importTrace(fixture(name))
      t.after(() => trace.close())
      assert.deepEqual([trace.processChoice, trace.replayed.processes], ['all', processes])
      for (const design of isWhole ? designs : [designs[index]!, designs[3]]) {
        const result = await replayTrace(trace, { design })
        assertConsistent(result)
        const { fidelity, operations, mmapLockFaults } = result
        assert.equal(fidelity.recorded, recorded)
        assert.ok(fidelity.ratio >= least, `${design}: fidelity ${fidelity.ratio}`)
        assert.equal(result.corrections.writeProtectedByFork, undefined)
        assert.deepEqual([operations.forks, operations.execs], [forks, programs])
        // Every process ended while it was recorded, and those that vfork made without exec had no address space.
        assert.equal(operations.exits, trace.images.length)
        assert.ok(mmapLockFaults !== null)
        const { both, onlyHere, onlyLinux, neither } = mmapLockFaults
        assert.equal(both + onlyHere + onlyLinux + neither, fidelity.reproduced)
        if (design === 'classic') assert.deepEqual([onlyLinux, neither], [0, 0])
        // What Linux does today takes the lock where Linux took it; and hardly anywhere else.
        if (design === 'per-vma-refcount-2025') {
          assert.ok(both > 100 && onlyHere < both / 100)
          // In Linux only: what had to be read from a disk first.
          assert.ok(onlyLinux < both / 15)
          assert.ok(result.kernelFaults > 50)
        }
      }
    })
  }

  test('on one and on two workers, from a temporary file', TIMEOUT, async (t) => {
    const trace = await importTrace(fixture('redis-bgsave'), { memoryLimit: 50_000 })
    t.after(() => trace.close())
    assert.ok(trace.spooled)
    for (const threads of [1, 2]) {
      const result = await replayTrace(trace, { threads })
      assertConsistent(result)
      assert.equal(result.threads, threads)
      assert.ok(result.fidelity.ratio >= 0.99)
    }
  })
})

describe('one process of several', () => {
  test(
    'a Redis server that forks: nothing fails, and what a fork of another takes away is corrected',
    TIMEOUT,
    async () => {
      const result = await replayFixture('redis-bgsave', {}, 'busiest')
      assertConsistent(result)
      const { fidelity } = result
      assert.deepEqual([fidelity.recorded, fidelity.ratio], [8087, 1])
      assert.ok((result.corrections.writeProtectedByFork ?? 0) > 1000)
    },
  )

  for (const process of [6501, 6483, 6493]) {
    test(`process ${process} of it`, TIMEOUT, async () =>
      assertConsistent(await replayFixture('redis-bgsave', {}, process)),
    )
  }

  for (const process of ['busiest', 5974, 5976, 5981] as const) {
    test(`a compilation: ${process}`, TIMEOUT, async () => {
      const result = await replayFixture('kernbench', {}, process)
      assertConsistent(result)
      assert.equal(result.fidelity.ratio, 1)
    })
  }
})

describe('small programs', () => {
  const A = 0x7f0000000000

  test('every kind of call, with every kind of fault that it leads to', TIMEOUT, async () => {
    const text = new TraceText()
      .exec(1, ['PERF_RECORD_MMAP2 1/1: [0x400000(0x40000) @ 0x1000 fe:00 7 0]: rw-p program'])
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0x903000, 0x903000)
      .fault(1, 1, 0x902008, 6)
      .brk(1, 1, 0x901000, 0x901000)
      .brk(1, 1, 0x903000, 0x903000)
      .fault(1, 1, 0x902008, 6)
      .mmap(1, 1, A, 0x10000)
      .fault(1, 1, A, 4) // zero page
      .fault(1, 1, A, 7) // its copy
      .fault(1, 1, A + 0x1000, 6)
      .madvise(1, 1, A, 0x2000, 4)
      .fault(1, 1, A + 0x1000, 6)
      .mprotect(1, 1, A, 0x10000, 1)
      .fault(1, 1, A + 0x3000, 4)
      .mprotect(1, 1, A, 0x10000, 3)
      .fault(1, 1, A + 0x3000, 7)
      .fault(1, 1, 0x404000, 4) // a page of a file, and its neighbours with it
      .fault(1, 1, 0x405000, 7)
      .fault(1, 1, 0x420000, 6)
      .enter(1, 1, 'mremap', { addr: A, old_len: 0x10000, new_len: 0x20000, flags: 1, new_addr: 0 })
      .exit(1, 1, 'mremap', A + 0x100000)
      .fault(1, 1, A + 0x100000 + 0x18000, 6)
      .enter(1, 1, 'mremap', { addr: A + 0x100000, old_len: 0x20000, new_len: 0x8000, flags: 0, new_addr: 0 })
      .exit(1, 1, 'mremap', A + 0x100000)
      .mmap(1, 1, A + 0x108000, 0x8000)
      .fault(1, 1, A + 0x108000, 6)
      .fault(1, 1, 0x7ffbffff0010, 6) // the stack grows
      .fault(1, 1, 0x7ffbffff8010, 6)
      .mmap(1, 1, A + 0x109000, 0x1000, { fixed: true, protection: 1 })
      .fault(1, 1, A + 0x109000, 4)
      .munmap(1, 1, A + 0x100000, 0x10000)
      .mmap(1, 1, A + 0x100000, 0x10000, { flags: 0x21 })
      .fault(1, 1, A + 0x100000, 6)
    const result = await replayText(text)
    assertConsistent(result)
    assert.deepEqual(result.fidelity.notReproducedByKind, {})
    assert.equal(result.fidelity.ratio, 1)
  })

  test('two programs one after the other in one process', TIMEOUT, async () => {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 0x2000)
      .fault(1, 1, A, 6)
      .exec(1)
      .mmap(1, 1, A, 0x4000)
      .fault(1, 1, A, 6)
      .fault(1, 1, A + 0x3000, 6)
    const result = await replayText(text)
    assertConsistent(result)
    assert.deepEqual([result.fidelity.ratio, result.faults], [1, 3])
  })

  test('a device mapped at offsets exabytes apart is replayed', TIMEOUT, async () => {
    const text = new TraceText()
      .exec(1, [
        'PERF_RECORD_MMAP2 1/1: [0x400000(0x2000) @ 0 fe:00 7 0]: rw-p kfd',
        'PERF_RECORD_MMAP2 1/1: [0x500000(0x2000) @ 0x4000000000000000 fe:00 7 0]: rw-p kfd',
        'PERF_RECORD_MMAP2 1/1: [0x600000(0x2000) @ 0x100000000000 fe:00 7 0]: rw-p kfd',
      ])
      .mmap(1, 1, A, 0x1000)
      .fault(1, 1, 0x401008, 4)
      .fault(1, 1, 0x501008, 6)
      .fault(1, 1, 0x601008, 4)
    const result = await replayText(text)
    assertConsistent(result)
    assert.deepEqual([result.fidelity.ratio, result.faults], [1, 3])
  })

  test('a forked process: both sides copy what they write, and the child lives on', TIMEOUT, async () => {
    const text = new TraceText()
      .exec(1)
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0x904000, 0x904000)
      .mmap(1, 1, A, 0x8000)
      .mmap(1, 1, A + 0x10000, 0x4000, { flags: 0x21 })
      .fault(1, 1, A, 6)
      .fault(1, 1, A + 0x1000, 6)
      .fault(1, 1, 0x901008, 6)
      .fault(1, 1, A + 0x10000, 6)
      .madvise(1, 1, A + 0x4000, 0x1000, 10) // not for children
      .newTask(1, 1, 2, CLONE_FORK)
      .fault(1, 1, A, 7)
      .fault(2, 2, A, 7)
      .fault(2, 2, A + 0x1000, 7)
      .fault(2, 2, A + 0x2000, 6)
      .fault(2, 2, 0x901008, 7)
      .brk(2, 2, 0x906000, 0x906000)
      .fault(2, 2, 0x905000, 6)
      .exitTask(1, 1, true)
      .munmap(2, 2, A, 0x1000)
      .mmap(2, 2, A, 0x1000)
      .fault(2, 2, A, 6)
      .newTask(2, 2, 3, CLONE_FORK)
      .fault(3, 3, A, 7)
      .fault(2, 2, A, 7)
    const result = await replayText(text)
    assertConsistent(result)
    assert.deepEqual(result.fidelity.notReproducedByKind, {})
    assert.deepEqual([result.fidelity.recorded, result.faults], [13, 13])
    const { forks, execs, exits } = result.operations
    assert.deepEqual([forks, execs, exits], [2, 0, 1])
  })

  test('exec, vfork and exit between processes', TIMEOUT, async () => {
    const program = (pid: number): string =>
      `PERF_RECORD_MMAP2 ${pid}/${pid}: [0x400000(0x40000) @ 0x1000 fe:00 7 0]: rw-p program`
    const text = new TraceText()
      .exec(1, [program(1)])
      .mmap(1, 1, A, 0x4000)
      .fault(1, 1, A, 6)
      .newTask(1, 1, 2, CLONE_VFORK)
      .fault(2, 2, A + 0x1000, 6) // in the parent's memory
      .exec(2, [program(2)])
      .fault(2, 2, 0x7ffc00001000, 6)
      .fault(2, 2, 0x404000, 6)
      .mmap(2, 2, A, 0x4000)
      .fault(2, 2, A + 0x1000, 6)
      .fault(1, 1, A + 0x2000, 6)
      .newTask(2, 2, 3, CLONE_VFORK)
      .exitTask(3, 3, true)
      .exec(2, [program(2)])
      .fault(2, 2, 0x404000, 6)
      .exitTask(2, 2, true)
      .madvise(1, 1, A + 0x1000, 0x1000, 4)
      .fault(1, 1, A + 0x1000, 6)
    const result = await replayText(text)
    assertConsistent(result)
    assert.deepEqual([result.fidelity.recorded, result.fidelity.ratio, result.faults], [8, 1, 8])
    const { forks, execs, exits } = result.operations
    assert.deepEqual([forks, execs, exits], [0, 2, 2])
  })

  test('the top of the stack holds arguments, unless a fault shows that it does not', TIMEOUT, async () => {
    const TOP = 0x7ffc00020000
    const text = (code: number): TraceText =>
      new TraceText()
        .exec(1)
        .mmap(1, 1, A, 0x1000)
        .newTask(1, 1, 2, CLONE_FORK)
        .fault(2, 2, TOP + 8, code)
        .fault(1, 1, TOP - 0x1000, 6)
    for (const code of [6, 7]) {
      const trace = await text(code).import()
      const { hasArguments } = trace.images[0]!
      trace.close()
      const result = await replayText(text(code))
      assertConsistent(result)
      assert.deepEqual([hasArguments, result.fidelity.ratio], [true, 1])
      assert.deepEqual(result.corrections, code === 7 ? {} : { removed: 1 })
    }
    const empty = new TraceText().exec(1).mmap(1, 1, A, 0x1000).fault(1, 1, TOP, 6)
    assert.equal((await replayText(empty)).fidelity.ratio, 1)
  })

  test('random trees of processes fault exactly as a model of copy-on-write says', TIMEOUT, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ kind: fc.nat(9), which: fc.nat(99), page: fc.nat(7) }), {
          minLength: 150,
          maxLength: 300,
        }),
        fc.constantFrom(1, 3, undefined),
        async (steps, threads) => {
          const trace = await processTree(steps).import()
          const result = await replayTrace(trace, threads === undefined ? {} : { threads })
          trace.close()
          assertConsistent(result)
          assert.equal(result.fidelity.ratio, 1)
        },
      ),
      { numRuns: extent(2, 5) },
    )
  })

  /** Writes, forks, drops and ends; a fault is recorded where the model says that there is one. */
  function processTree(steps: readonly { kind: number; which: number; page: number }[]): TraceText {
    const text = new TraceText().exec(1).mmap(1, 1, A, 0x8000).fault(1, 1, A, 6)
    type State = 'absent' | 'writable' | 'protected'
    const living = new Map<number, State[]>([[1, ['writable', ...Array<State>(7).fill('absent')]]])
    let last = 1
    for (const { kind, which, page } of steps) {
      const pid = [...living.keys()][which % living.size]!
      const pages = living.get(pid)!
      const address = A + page * 0x1000
      if (kind === 0 && living.size < 6) {
        for (const [at, state] of pages.entries()) if (state === 'writable') pages[at] = 'protected'
        text.newTask(pid, pid, ++last, CLONE_FORK)
        living.set(last, pages.slice())
      } else if (kind === 1 && living.size > 1) {
        text.exitTask(pid, pid, true)
        living.delete(pid)
      } else if (kind === 2) {
        text.madvise(pid, pid, address, 0x1000, 4)
        pages[page] = 'absent'
      } else if (pages[page] !== 'writable') {
        text.fault(pid, pid, address, pages[page] === 'absent' ? 6 : 7)
        pages[page] = 'writable'
      }
    }
    return text
  }

  test('alone, a forked child begins with its parent’s layout', TIMEOUT, async () => {
    const text = new TraceText()
      .exec(1)
      .brk(1, 1, 0, 0x900000)
      .brk(1, 1, 0x904000, 0x904000)
      .mprotect(1, 1, 0x901000, 0x1000, 1)
      .mmap(1, 1, A, 0x2000)
      .fault(1, 1, A, 6)
      .newTask(1, 1, 2, CLONE_FORK)
      .fault(2, 2, A, 7)
      .fault(2, 2, A + 0x1000, 6)
      .fault(2, 2, 0x903000, 6)
      .fault(2, 2, 0x901000, 4)
      .brk(2, 2, 0x906000, 0x906000)
      .fault(2, 2, 0x905000, 6)
    const result = await replayText(text, 2)
    assertConsistent(result)
    assert.deepEqual(result.corrections, { presentBefore: 1 })
    assert.deepEqual([result.fidelity.recorded, result.fidelity.reproduced], [5, 5])
  })

  test(
    'alone, a parent has its child’s accesses after vfork in its memory, but not counted',
    TIMEOUT,
    async () => {
      const text = new TraceText()
        .exec(1)
        .mmap(1, 1, A, 0x2000)
        .newTask(1, 1, 2, CLONE_VFORK)
        .fault(2, 2, A, 4)
        .exec(2)
        .fault(1, 1, A, 7)
      const result = await replayText(text, 1)
      assertConsistent(result)
      // The zero page that the child brought in is why the parent's write is a protection fault.
      assert.deepEqual([result.fidelity.recorded, result.fidelity.ratio, result.faults], [1, 1, 2])
    },
  )

  test(
    'faults that cannot be reproduced are told by kind, all others are corrected first',
    TIMEOUT,
    async () => {
      const text = new TraceText()
        .exec(1, ['PERF_RECORD_MMAP2 1/1: [0x400000(0x40000) @ 0 fe:00 7 0]: rw-p program'])
        .newTask(1, 1, 2, CLONE_THREAD)
        .mmap(1, 1, A, 0x4000)
        .fault(1, 1, A, 6)
        .fault(1, 2, A, 6)
        .fault(1, 1, A, 6)
        .fault(1, 1, A + 0x1000, 7)
        .fault(1, 1, 0x430000, 7)
        .fault(1, 1, 0x999000, 4)
        .mprotect(1, 1, A, 0x1000, 0)
        .fault(1, 1, A, 4)
        .fault(1, 1, A + 0x2000, 5)
      const result = await replayText(text)
      assertConsistent(result)
      assert.deepEqual(result.fidelity.notReproducedByKind, {
        mappedByAnotherThread: 1,
        otherKind: 1,
        outsideAnyMapping: 1,
      })
      assert.deepEqual(result.corrections, { removed: 1, presentBefore: 1, largeFolio: 1 })
      assert.equal(result.fidelity.reproduced, 5)
      assert.deepEqual(
        result.fidelity.faults.map(({ line, tid, kind, address }) => [line, tid, kind, address]),
        [
          [8, 2, 'mappedByAnotherThread', '0x7f0000000000'],
          [12, 1, 'outsideAnyMapping', '0x999000'],
          [16, 1, 'otherKind', '0x7f0000002000'],
        ],
      )
    },
  )

  test(
    'a page that Linux did not have in its page cache faults by itself, others are mapped around',
    TIMEOUT,
    async () => {
      const text = new TraceText()
        .exec(1, ['PERF_RECORD_MMAP2 1/1: [0x400000(0x40000) @ 0 fe:00 7 0]: r--p program'])
        .mmap(1, 1, A, 0x1000)
        .fault(1, 1, 0x400000, 4)
        .fault(1, 1, 0x405000, 4)
      const result = await replayText(text)
      assertConsistent(result)
      assert.equal(result.fidelity.ratio, 1)
    },
  )

  test('what fails is counted and listed, and the replay goes on', TIMEOUT, async () => {
    // Only the most privileged programs map below 64 KiB; the machine allows nobody.
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, 0x1000, 0x2000, { fixed: true })
      .fault(1, 1, 0x1000, 6)
      .mmap(1, 1, A, 0x1000)
      .fault(1, 1, A, 6)
    const { fidelity } = await replayText(text)
    assert.equal(fidelity.failed, 2)
    assert.deepEqual(
      fidelity.failures.map(({ operation, address, tid }) => [operation, address, tid]),
      [
        ['mmap', 0x1000, 1],
        ['access w', 0x1000, 1],
      ],
    )
    assert.match(fidelity.failures[0]!.error, /EPERM/)
    assert.deepEqual(
      [fidelity.recorded, fidelity.reproduced, fidelity.notReproducedByKind],
      [2, 1, { failed: 1 }],
    )
  })

  test('more threads than workers, each pair passing a page to and fro', TIMEOUT, async () => {
    const text = new TraceText().exec(1).mmap(1, 1, A, 0x40000)
    for (let tid = 2; tid <= 9; tid++) text.newTask(1, 1, tid, CLONE_THREAD)
    for (let round = 0; round < extent(30, 200); round++) {
      for (let tid = 2; tid <= 9; tid++) {
        const page = A + (((tid * 7 + round) % 9) + 1) * 0x1000
        text.fault(1, tid, page, 6)
        text.madvise(1, ((tid + round) % 8) + 2, page, 0x1000, 4)
      }
    }
    const trace = await text.import()
    for (const threads of [1, 3, 9]) {
      const result = await replayTrace(trace, { threads })
      assertConsistent(result)
      assert.equal(result.fidelity.ratio, 1, `${threads} workers`)
    }
    trace.close()
  })
})

describe('what cannot be', () => {
  const rejects = async (options: ReplayOptions, code: string, pattern: RegExp): Promise<void> => {
    const trace = await importTrace(fixture('redis-bgsave'))
    await assert.rejects(replayTrace(trace, options), (error) => {
      assert.ok(error instanceof TraceError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, pattern)
      return true
    })
    trace.close()
  }
  test('too little memory for the program', TIMEOUT, async () => {
    await rejects({ memory: '8MiB' }, 'replay', /8 MiB of memory are too little.*--memory/)
    await rejects({ memory: '20MiB' }, 'replay', /20 MiB of memory are too little.*--memory/)
  })
  test('more workers than a machine has CPUs', TIMEOUT, async () => {
    await rejects({ threads: 256 }, 'limit', /256 threads.*1 to 255/)
    await rejects({ threads: 0 }, 'limit', /0 threads/)
    await rejects({ threads: 1.5 }, 'limit', /1\.5 threads/)
  })
  test('a design that there is not', TIMEOUT, async () => {
    const trace = await importTrace(fixture('redis-bgsave'))
    await assert.rejects(replayTrace(trace, { design: 'none-such' }), /none-such/)
    trace.close()
  })
})

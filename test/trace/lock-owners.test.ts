// Whose lock a thread takes, and what for: recordings in which a program's memory maps are read from outside while it
// works, as `perf` shows them without the events of read.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLONE_FORK, CLONE_VFORK, importText, TraceText } from './trace-text.ts'

const PROGRAM = '0xffff88810006cc80'
const READER = '0xffff88810006d2c0'

/** A trace with locks of more than one address space. */
class LockTrace extends TraceText {
  start(pid: number, mm: string, write = false): this {
    return this.line(
      pid,
      pid,
      `mmap_lock:mmap_lock_start_locking: mm=${mm} memcg_id=1 write=${String(write)}`,
    )
  }

  got(pid: number, mm: string, write = false): this {
    const event = 'mmap_lock:mmap_lock_acquire_returned'
    return this.line(pid, pid, `${event}: mm=${mm} memcg_id=1 write=${String(write)} success=true`)
  }

  gave(pid: number, mm: string, write = false): this {
    return this.line(pid, pid, `mmap_lock:mmap_lock_released: mm=${mm} memcg_id=1 write=${String(write)}`)
  }

  take(pid: number, mm: string, write = false): this {
    return this.start(pid, mm, write).got(pid, mm, write)
  }

  /** exec, as it shows [stack] with the new lock held. */
  execWith(pid: number, mm: string): this {
    this.take(pid, mm, true).map2(pid, pid, 0x7ffc00000000, 0x21000, 'rw-p', '[stack]').gave(pid, mm, true)
    return this.line(pid, pid, `sched:sched_process_exec: filename=/bin/p${pid} pid=${pid} old_pid=${pid}`)
  }

  /** munmap by a thread that waits until another gives the lock back. */
  munmapKeptBy(pid: number, holder: number, mm: string, microseconds: number): this {
    return this.enter(pid, pid, 'munmap', { addr: 0x10000, len: 0x1000 })
      .start(pid, mm, true)
      .wait(microseconds - 2)
      .gave(holder, mm)
      .got(pid, mm, true)
      .gave(pid, mm, true)
      .exit(pid, pid, 'munmap', 0)
  }

  kernelFault(pid: number, address: number): this {
    return this.line(
      pid,
      pid,
      `exceptions:page_fault_kernel: address=0x${address.toString(16)} ip=_copy_to_iter error_code=0x2`,
    )
  }

  async analyse(process: 'all' | number = 'all') {
    const trace = await this.import({ process })
    trace.close()
    return trace
  }
}

const twoPrograms = (): LockTrace =>
  new LockTrace().execWith(1, PROGRAM).execWith(9, READER).munmap(9, 9, 0x10000, 0x1000)

describe('whose lock it is', () => {
  test('a reader of /proc/PID/smaps faults in its own buffer, and holds the lock of another', async () => {
    const text = twoPrograms()
      .kernelFault(9, 0x7ffc00001000)
      .take(9, READER)
      .gave(9, READER)
      .take(9, PROGRAM)
      .munmapKeptBy(1, 9, PROGRAM, 500)
      // The program's own lock is still its own.
      .fault(1, 1, 0x7ffc00001000, 6)
      .take(1, PROGRAM)
      .start(9, PROGRAM, true)
      .gave(1, PROGRAM)
      .got(9, PROGRAM, true)
      .gave(9, PROGRAM, true)
    const { locks, faultCensus, linux } = await text.analyse()
    const foreign = 'access to the memory of another process'
    assert.deepEqual(
      locks.foreign.map(({ pid, call, waitedNs }) => [pid, call, waitedNs]),
      [[9, foreign, 500_000]],
    )
    assert.deepEqual(
      locks.holders.map(({ pid, call, waits }) => [pid, call, waits]),
      [
        [9, foreign, 1],
        [1, 'page fault', 1],
      ],
    )
    // From the fault to the release of its own lock; what is read afterwards is no part of it.
    assert.deepEqual(faultCensus.kernel, {
      read: {
        faults: 1,
        lockedFaults: 1,
        lockedNs: 3000,
        costNs: 3000,
        samples: 0,
        delayedNs: 3000,
        waitedNs: 0,
      },
    })
    assert.equal(linux.faultsUnderMmapLock, 2)
  })

  test('a lock after a fault that needed none is not for that: of another, or for writing', async () => {
    const text = twoPrograms()
      .fault(9, 9, 0x7ffc00001000, 6)
      .take(9, PROGRAM)
      .munmapKeptBy(1, 9, PROGRAM, 500)
      .fault(9, 9, 0x7ffc00002000, 6)
      .take(9, READER, true)
      .gave(9, READER, true)
    const { locks, faultCensus, linux } = await text.analyse()
    assert.equal(linux.faultsUnderMmapLock, 0)
    assert.deepEqual(faultCensus.user, {
      faults: 2,
      lockedFaults: 0,
      lockedNs: 0,
      costNs: 0,
      samples: 0,
      delayedNs: 0,
      waitedNs: 0,
    })
    assert.deepEqual(
      locks.foreign.map(({ pid, waitedNs }) => [pid, waitedNs]),
      [[9, 500_000]],
    )
  })

  test('what a thread does between a fault and its next recorded event is not the fault', async () => {
    const text = twoPrograms()
      .fault(9, 9, 0x7ffc00001000, 6)
      .take(9, READER)
      .gave(9, READER)
      .wait(5000)
      .take(9, READER)
      .start(1, READER, true)
      .wait(8)
      .gave(9, READER)
      .got(1, READER, true)
      .gave(1, READER, true)
    const { locks, faultCensus } = await text.analyse()
    assert.deepEqual(
      locks.holders.map(({ pid, call }) => [pid, call]),
      [[9, 'other']],
    )
    assert.deepEqual(faultCensus.user, {
      faults: 1,
      lockedFaults: 1,
      lockedNs: 3000,
      costNs: 3000,
      samples: 0,
      delayedNs: 3000,
      waitedNs: 0,
    })
  })

  test('the locks of processes whose addresses a double cannot tell apart', async () => {
    const text = twoPrograms()
      .enter(1, 1, 'munmap', { addr: 0x10000, len: 0x1000 })
      .take(1, PROGRAM, true)
      .fault(9, 9, 0x7ffc00001000, 6)
      .start(9, READER)
      .wait(8000)
      .gave(1, PROGRAM, true)
      .exit(1, 1, 'munmap', 0)
      .got(9, READER)
      .gave(9, READER)
    assert.equal(Number(PROGRAM), Number(READER), 'as doubles they are one')
    const { locks, linux } = await text.analyse()
    assert.deepEqual(locks.holders, [])
    assert.equal(locks.keptNs.unknown, 8_003_000)
    assert.equal(linux.lockWaitNs.readers.count, 0)
  })

  test('memory of an address space that has ended may be the lock of another', async () => {
    const text = twoPrograms()
      .newTask(9, 9, 5, CLONE_FORK)
      .exitTask(1, 1, true)
      .take(1, PROGRAM, true)
      .gave(1, PROGRAM, true)
      .fault(5, 5, 0x7ffc00001000, 6)
      .take(5, PROGRAM)
      .start(9, PROGRAM, true)
      .wait(8)
      .gave(5, PROGRAM)
      .got(9, PROGRAM, true)
    const { locks, linux } = await text.analyse()
    assert.deepEqual(locks.foreign, [])
    assert.deepEqual(
      locks.holders.map(({ pid, call }) => [pid, call]),
      [[5, 'page fault']],
    )
    assert.equal(linux.faultsUnderMmapLock, 1)
  })

  test('a borrowed address space has the lock of its lender', async () => {
    for (const process of ['all', 1, 2] as const) {
      const text = twoPrograms()
        .newTask(1, 1, 2, CLONE_VFORK)
        .fault(2, 2, 0x7ffc00001000, 6)
        .take(2, PROGRAM)
        .gave(2, PROGRAM)
        .fault(1, 1, 0x7ffc00003000, 6)
        .take(1, PROGRAM)
        .munmapKeptBy(2, 1, PROGRAM, 500)
      const { locks } = await text.analyse(process)
      assert.deepEqual(locks.foreign, [], `process ${process}`)
      assert.deepEqual([locks.holders[0]!.pid, locks.holders[0]!.call], [1, 'page fault'])
    }
  })
})

describe('what is a wait', () => {
  /** Free locks that took 0.4, 3 and 40 µs to get, and one that somebody kept, for 0.9 µs. */
  const lines: readonly [nanoseconds: number, pid: number, event: string][] = [
    [100, 1, 'start_locking'],
    [500, 1, 'acquire_returned'],
    [1_100, 1, 'released'],
    [10_100, 1, 'start_locking'],
    [13_100, 1, 'acquire_returned'],
    [20_050, 9, 'start_locking'],
    [20_900, 1, 'released'],
    [20_950, 9, 'acquire_returned'],
    [30_000, 9, 'released'],
    [40_000, 1, 'start_locking'],
    [80_000, 1, 'acquire_returned'],
    [90_000, 1, 'released'],
  ]

  const textWith = (digits: 6 | 9): string => {
    const faults = new TraceText()
      .exec(1)
      .munmap(1, 1, 0x10000, 0x1000)
      .fault(1, 1, 0x7ffc00001000, 6)
      .toString()
      .replaceAll(/ 1\.(\d{6}):/g, digits === 9 ? ' 1.$1000:' : ' 1.$1:')
    const events = lines.map(([ns, pid, event]) => {
      const fraction = String(ns).padStart(9, '0').slice(0, digits)
      const success = event === 'acquire_returned' ? ' success=true' : ''
      return `p ${pid}/${pid} [000] 2.${fraction}: mmap_lock:mmap_lock_${event}: mm=${PROGRAM} memcg_id=1 write=true${success}\n`
    })
    return faults + events.join('')
  }

  test('what somebody kept, however many digits the times have; a slow free lock only shows', async () => {
    for (const digits of [6, 9] as const) {
      const trace = await importText(textWith(digits))
      trace.close()
      const { linux, locks, hotThreads } = trace
      assert.equal(linux.timeResolutionNs, 10 ** (9 - digits))
      assert.equal(linux.lockAcquisitions.writers, 4)
      assert.equal(linux.lockWaitNs.writers.count, 1, `${digits} digits`)
      assert.equal(linux.lockWaitNs.writers.total, digits === 9 ? 900 : 0)
      assert.equal(hotThreads.waitedNs, digits === 9 ? 900 : 0)
      assert.deepEqual([locks.keptNs.unknown, locks.longest[0]!.waitedNs], [40_000, 40_000])
      assert.equal(locks.longest[0]!.holder, null)
      assert.equal(locks.longest.length, 2)
    }
  })
})

// The primitives one by one, on CPUs that take turns in one thread. What needs real threads is in test/backends.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  KernelBug,
  RCU_FREE_VMA,
  type RwsemKind,
  type Task,
  callRcu,
  kernelEnter,
  kernelExit,
  rcuPoll,
  rcuReadLock,
  rcuReadUnlock,
  slabInUse,
  rwsemNames,
} from '../../src/kernel/index.ts'
import { callFunctionMany } from '../../src/kernel/machine/calls.ts'
import { CALL_FLUSH_TLB } from '../../src/kernel/machine/cpu.ts'
import { Header, heapAlloc } from '../../src/kernel/machine/header.ts'
import { CACHE_VMA } from '../../src/kernel/mm/caches.ts'
import { slabAlloc, slabFree } from '../../src/kernel/memory/slab.ts'
import { Vma } from '../../src/kernel/vma/vma.ts'
import { forgetNumber, numberAt, takeNumber } from '../../src/kernel/sync/number.ts'
import {
  downRead,
  downReadTryLock,
  downWrite,
  downgradeWrite,
  upRead,
  upWrite,
} from '../../src/kernel/sync/rwsem.ts'
import {
  readSeqcount,
  readSeqcountRetry,
  readSeqcountTurns,
  writeSeqcountBegin,
  writeSeqcountEnd,
} from '../../src/kernel/sync/seqcount.ts'
import { spinLock, spinTryLock, spinUnlock } from '../../src/kernel/sync/spinlock.ts'
import { testMachine } from './harness.ts'

function twoCpus(rwsem: RwsemKind = 'xadd'): { heap: Int32Array; first: Task; second: Task } {
  const { heap, tasks } = testMachine({ cpus: 2, rwsem })
  return { heap, first: tasks[0]!, second: tasks[1]! }
}

describe('spinlock', () => {
  it('excludes, and can be taken again after its release', () => {
    const { heap, first, second } = twoCpus()
    const lock = heapAlloc(heap, 16)
    spinLock(first, lock)
    assert.equal(spinTryLock(second, lock), false)
    spinUnlock(first, lock)
    assert.equal(spinTryLock(second, lock), true)
  })

  it('finds a release by another than the holder', () => {
    const { heap, first, second } = twoCpus()
    const lock = heapAlloc(heap, 16)
    spinLock(first, lock)
    assert.throws(() => spinUnlock(second, lock), KernelBug)
  })
})

for (const rwsem of rwsemNames) {
  describe(`rwsem, ${rwsem}`, () => {
    it('lets readers in together and keeps them out beside a writer', () => {
      const { heap, first, second } = twoCpus(rwsem)
      const sem = heapAlloc(heap, 16)
      downRead(first, sem)
      assert.equal(downReadTryLock(second, sem), true)
      upRead(second, sem)
      upRead(first, sem)
      downWrite(first, sem)
      assert.equal(downReadTryLock(second, sem), false)
      upWrite(first, sem)
      assert.equal(downReadTryLock(second, sem), true)
    })

    it('lets readers in after a downgrade', () => {
      const { heap, first, second } = twoCpus(rwsem)
      const sem = heapAlloc(heap, 16)
      downWrite(first, sem)
      downgradeWrite(first, sem)
      assert.equal(downReadTryLock(second, sem), true)
      upRead(first, sem)
      upRead(second, sem)
      downWrite(second, sem)
      assert.equal(downReadTryLock(first, sem), false)
    })

    it('finds a write release by another than the holder', () => {
      const { heap, first, second } = twoCpus(rwsem)
      const sem = heapAlloc(heap, 16)
      downWrite(first, sem)
      assert.throws(() => upWrite(second, sem), KernelBug)
    })
  })
}

describe('seqcount', () => {
  it('tells a reader of a writer, during and after', () => {
    const { heap, first } = twoCpus()
    const seqcount = heapAlloc(heap, 16)
    const turns = readSeqcountTurns(first, seqcount)
    const start = readSeqcount(first, seqcount)
    assert.equal(start & 1, 0)
    assert.equal(readSeqcountRetry(first, seqcount, start, turns), false)
    writeSeqcountBegin(first, seqcount)
    assert.equal(readSeqcount(first, seqcount) & 1, 1)
    assert.equal(readSeqcountRetry(first, seqcount, start, turns), true)
    writeSeqcountEnd(first, seqcount)
    assert.equal(readSeqcountRetry(first, seqcount, start, turns), true)
  })

  it('tells a count that has come round from the one that it was', () => {
    const { heap, first } = twoCpus()
    const seqcount = heapAlloc(heap, 16)
    const turns = readSeqcountTurns(first, seqcount)
    const start = readSeqcount(first, seqcount)
    // All but the last of 2^31 writes.
    heap[seqcount] = -2
    writeSeqcountBegin(first, seqcount)
    writeSeqcountEnd(first, seqcount)
    assert.equal(readSeqcount(first, seqcount), start)
    assert.equal(readSeqcountRetry(first, seqcount, start, turns), true)
  })

  it('finds two writers (race R9)', () => {
    const { heap, first, second } = twoCpus()
    const seqcount = heapAlloc(heap, 16)
    writeSeqcountBegin(first, seqcount)
    assert.throws(() => writeSeqcountBegin(second, seqcount), KernelBug)
  })
})

describe('numbers of objects', () => {
  it('go on beyond 32 bits, and are never taken for none', () => {
    const { heap, first } = twoCpus()
    const at = heapAlloc(heap, 16)
    assert.equal(numberAt(heap, at), 0)
    heap[Header.fileGeneration] = -2
    heap[Header.fileGenerationHigh] = 5
    const numbers = [0, 2, 4].map((word) => {
      takeNumber(first, Header.fileGeneration, at + word)
      return numberAt(heap, at + word)
    })
    assert.deepEqual(numbers, [6 * 2 ** 32 - 1, 6 * 2 ** 32 + 1, 6 * 2 ** 32 + 2])
    forgetNumber(first, at)
    assert.equal(numberAt(heap, at), 0)
  })
})

describe('RCU', () => {
  it('frees only after every CPU that was inside has been outside', () => {
    const { heap, first, second } = twoCpus()
    kernelEnter(first)
    kernelEnter(second)
    rcuReadLock(second)
    const vma = slabAlloc(first, CACHE_VMA)
    callRcu(first, vma + Vma.rcuHead, RCU_FREE_VMA)
    for (let turn = 0; turn < 5; turn++) rcuPoll(first)
    assert.equal(slabInUse(heap, CACHE_VMA), 1, 'the second CPU is still reading')
    rcuReadUnlock(second)
    kernelExit(second)
    rcuPoll(first)
    assert.equal(slabInUse(heap, CACHE_VMA), 0)
  })

  it('does not wait for a reader that began later', () => {
    const { heap, first, second } = twoCpus()
    kernelEnter(first)
    const vma = slabAlloc(first, CACHE_VMA)
    callRcu(first, vma + Vma.rcuHead, RCU_FREE_VMA)
    rcuPoll(first)
    kernelEnter(second)
    rcuReadLock(second)
    rcuPoll(first)
    assert.equal(slabInUse(heap, CACHE_VMA), 0)
  })
})

describe('slab caches', () => {
  it('find a write to a freed object when it is allocated again', () => {
    const { heap, first } = twoCpus()
    const vma = slabAlloc(first, CACHE_VMA)
    slabFree(first, CACHE_VMA, vma)
    heap[vma + 5] = 42
    assert.throws(() => slabAlloc(first, CACHE_VMA), /written after it was freed/)
  })

  it('find a double free', () => {
    const { first } = twoCpus()
    const vma = slabAlloc(first, CACHE_VMA)
    slabFree(first, CACHE_VMA, vma)
    assert.throws(() => slabFree(first, CACHE_VMA, vma), /double free/)
  })

  it('hand objects from one CPU to another and lose none', () => {
    const { heap, first, second } = twoCpus()
    const seen = new Set<number>()
    for (let round = 0; round < 20; round++) {
      const objects = Array.from({ length: 100 }, () => slabAlloc(first, CACHE_VMA))
      assert.equal(new Set(objects).size, 100)
      for (const object of objects) {
        seen.add(object)
        slabFree(second, CACHE_VMA, object)
      }
    }
    assert.equal(slabInUse(heap, CACHE_VMA), 0)
    assert.ok(seen.size < 400, 'freed objects are used again')
  })
})

describe('calls to other CPUs', () => {
  it('do not wait for a CPU that is outside, which flushes when it enters', () => {
    const { heap, first, second } = twoCpus()
    const mask = heapAlloc(heap, 16)
    heap[mask] = 0b11
    second.tlbPage[7] = 7
    kernelEnter(first)
    callFunctionMany(first, mask, CALL_FLUSH_TLB, 0, 7, 8)
    assert.equal(second.tlbPage[7], 7, 'nothing could reach it yet')
    kernelEnter(second)
    assert.equal(second.tlbPage[7], -1)
  })

  it('are refused with interrupts disabled', () => {
    const { heap, first } = twoCpus()
    kernelEnter(first)
    first.interruptsEnabled = false
    assert.throws(() => callFunctionMany(first, heapAlloc(heap, 16), CALL_FLUSH_TLB, 0, 0, 1), KernelBug)
  })
})

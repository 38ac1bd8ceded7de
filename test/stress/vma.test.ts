// A bounded slice of the vma mix: every fourth design, as the seed has it (the whole: every one), the semaphores in
// turn; and that its checks find what they are there to find.

import assert from 'node:assert/strict'
import { after, before, describe, it, test } from 'node:test'
import {
  AddressSpace,
  designs,
  Machine,
  type Mapping,
  MemoryError,
  OutOfMemory,
  SegmentationFault,
} from '../../src/memory.ts'
import { Mm, Vma, rwsemNames } from '../../src/kernel/index.ts'
import {
  performVmaMixStep,
  VMA_MIX_BASE as BASE,
  VMA_MIX_PAGES,
  vmaMix,
  vmaMixAccess,
  VmaMixThread,
} from '../../src/workloads/vma-mix.ts'
import { extent } from '../extent.ts'
import { PAGE_SIZE } from '../reference/model.ts'
import { Random } from '../reference/random.ts'
import { configVariants } from './stress.ts'
import { checkQuietSpace } from './vma-checks.ts'
import {
  accessors,
  decodeTag,
  encodeTag,
  layoutProblem,
  ROUND_WORDS,
  roles,
  SPACES,
  tagProblem,
  words,
} from './vma-round.ts'
import { SCARCE_MEMORY, VmaStress } from './vma.ts'

const seed = Number(process.env['STRESS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

describe("the mix of stress-ng's vma", () => {
  let stress: VmaStress
  before(async () => {
    stress = await VmaStress.start()
  })
  after(() => stress.stop())

  for (const [number, { name }] of designs.entries()) {
    if ((number + seed) % extent(4, 1) !== 0) continue
    const rwsem = rwsemNames[number % rwsemNames.length]!
    it(`loses nothing and leaves everything in order: ${name}, ${rwsem}`, async () => {
      const report = await stress.round({
        design: name,
        rwsem,
        config: configVariants[number % configVariants.length]!,
        seed,
        spaces: 1 + (number % SPACES),
        milliseconds: 150,
      })
      assert.deepEqual(Object.keys(report.byRole).sort(), vmaMix.map((role) => role.name).sort())
      for (const [role, steps] of Object.entries(report.byRole)) assert.ok(steps > 0, `no step of ${role}`)
      assert.ok(report.refused > 0 && report.signals > 0, 'nobody came in the way of anybody')
      if (name !== 'classic')
        assert.ok(report.counters['spf_attempt']! > 0, 'no fault was tried speculatively')
    })
  }

  // These wait for the host without the mmap lock, or give up, or hold the lock of the VMA.
  for (const design of [
    'zijlstra-2014',
    'kamezawa-2009-refcount',
    'lespinasse-2021',
    'per-vma-refcount-2025',
  ]) {
    it(`loses nothing where pages have to leave memory: ${design}`, async () => {
      const report = await stress.round({
        design,
        rwsem: 'spinning',
        memory: SCARCE_MEMORY,
        seed,
        spaces: 2,
        milliseconds: 250,
      })
      assert.equal(Object.values(report.byRole).length, vmaMix.length)
    })
  }
})

test('a call may fail as its line says, and in no other way', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const thread = new VmaMixThread(machine.createAddressSpace(), () => 0)
  const role = { name: 'mprotect', threads: 1, refusals: ['ENOMEM'], step: () => {} }
  const failing = (error: Error) => ({
    ...role,
    step: () => {
      throw error
    },
  })
  assert.equal(performVmaMixStep(role, thread), 'done')
  assert.equal(performVmaMixStep(failing(new MemoryError('ENOMEM', 'mprotect')), thread), 'refused')
  const others = [new MemoryError('EINVAL', 'mprotect'), new OutOfMemory('mprotect'), new Error('else')]
  for (const error of others) assert.throws(() => performVmaMixStep(failing(error), thread), error)
  // Nothing is mapped: a fault of an accessor is expected, one within a call is not.
  assert.equal(performVmaMixStep(vmaMixAccess, thread), 'signal')
  assert.throws(() => performVmaMixStep({ ...role, step: vmaMixAccess.step }, thread), SegmentationFault)
  machine.detach()
})

test('every line of the mix does what it says', () => {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const calls: string[] = []
  const recorded = new Proxy(space, {
    get(target, name: keyof AddressSpace & string) {
      const value = target[name]
      if (typeof value !== 'function') return value
      calls.push(name)
      return value.bind(target)
    },
  })
  const random = new Random(1)
  const thread = new VmaMixThread(recorded, (bound) => random.below(bound))
  space.mmap(VMA_MIX_PAGES * PAGE_SIZE, { address: BASE, fixed: true })
  for (const role of roles) for (let step = 0; step < 20; step++) performVmaMixStep(role, thread)
  const expected = [
    'madvise',
    'maps',
    'mlock',
    'mmap',
    'mprotect',
    'msync',
    'munlock',
    'munmap',
    'readUint8',
    'residentPages',
    'writeUint8',
  ]
  assert.deepEqual([...new Set(calls)].sort(), expected)
  const { length } = roles.filter(({ name }) => name === 'mmap')
  assert.deepEqual([length, accessors], [2, 20])
  machine.detach()
})

describe('the checks of the mix', () => {
  const shared = (): Int32Array => new Int32Array(new SharedArrayBuffer(4 * ROUND_WORDS))
  const place = { space: 1, page: 3, accessor: 7 }

  it('know a word by its place and number', () => {
    const tag = { ...place, sequence: 12_345 }
    assert.deepEqual(decodeTag(encodeTag(tag)), tag)
    const state = shared()
    state[words.issued(7)] = 12_345
    assert.equal(tagProblem(state, place, encodeTag(tag), 12_344), null)
    assert.equal(tagProblem(state, place, 0, 12_345), null)
    assert.match(tagProblem(state, place, encodeTag(tag), 12_345)!, /before the page was replaced/)
    assert.match(tagProblem(state, place, encodeTag({ ...tag, sequence: 12_346 }), 0)!, /never stored/)
    for (const other of [{ space: 0 }, { page: 4 }, { accessor: 6 }])
      assert.match(tagProblem(state, place, encodeTag({ ...tag, ...other }), 0)!, /stored elsewhere/)
  })

  it('see mappings that are out of order, overlap or lie elsewhere', () => {
    const mapping = (from: number, to: number): Mapping => ({
      start: BASE + from * PAGE_SIZE,
      end: BASE + to * PAGE_SIZE,
      protection: 'rw',
      shared: false,
      offset: 0,
      file: 0,
      growsDown: false,
    })
    assert.equal(layoutProblem([mapping(0, 1), mapping(1, 3), mapping(31, 32)]), null)
    assert.match(layoutProblem([mapping(1, 3), mapping(2, 4)])!, /begins before/)
    assert.match(layoutProblem([mapping(4, 5), mapping(0, 1)])!, /begins before/)
    assert.match(layoutProblem([mapping(-1, 1)])!, /begins before/)
    assert.match(layoutProblem([mapping(31, 33)])!, /is mapped up to/)
    assert.match(layoutProblem([mapping(2, 2)])!, /no range of pages/)
    assert.match(layoutProblem([mapping(2.5, 3)])!, /no range of pages/)
  })

  it('see what does not fit in a space where nobody is at work', () => {
    const machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const { heap } = machine.task
    const space = machine.createAddressSpace()
    const { mm } = space.handle
    space.mmap(4 * PAGE_SIZE, { address: BASE, fixed: true })
    space.mprotect(BASE + PAGE_SIZE, PAGE_SIZE, 'r')
    space.writeUint8(BASE, 1)
    space.writeUint8(BASE + 3 * PAGE_SIZE, 1)
    checkQuietSpace(space)
    const first = heap[mm + Mm.mmap]!
    const second = heap[first + Vma.vmNext]!
    /** The space with another value in one word. */
    const broken = (word: number, value: number, problem: RegExp): void => {
      const right = heap[word]!
      heap[word] = value
      assert.throws(() => checkQuietSpace(space), problem)
      heap[word] = right
    }
    broken(second + Vma.vmFlags, heap[first + Vma.vmFlags]!, /not merged with the one before it/)
    broken(second + Vma.vmPrev, 0, /not linked back/)
    broken(second + Vma.vmMm, 0, /another address space/)
    broken(second + Vma.vmStart, heap[second + Vma.vmStart]! - 1, /begins before/)
    broken(mm + Mm.rbRoot, 0, /is not found by its page/)
    broken(mm + Mm.mapCount, 7, /3 VMAs are listed and 7 counted/)
    broken(mm + Mm.totalVm, 9, /total: 4 pages are mapped and 9 counted/)
    broken(mm + Mm.dataVm, 9, /data: 3 pages are mapped and 9 counted/)
    broken(mm + Mm.lockedVm, 1, /locked: 0 pages are mapped and 1 counted/)
    broken(mm + Mm.rss + 1, 5, /2 anonymous pages are mapped and \d+ counted/)
    checkQuietSpace(space)
    machine.detach()
  })
})

// Configuration, layouts, frames and their sectors.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  PAGE_SIZE,
  PerCpu,
  allVmEvents,
  layouts,
  noteWritten,
  packKernelConfig,
  resolveKernelConfig,
  sectorMask,
  unpackKernelConfig,
} from '../../src/kernel/index.ts'
import { VmEvent } from '../../src/kernel/mm/vm-event.ts'
import { clearFrame, copyFrame } from '../../src/kernel/machine/sectors.ts'
import { testMachine } from './harness.ts'

describe('the configuration', () => {
  it('switches off what was not asked for and lacks what it needs', () => {
    const { config, problems } = resolveKernelConfig({ ARCH_HAS_PTE_SPECIAL: false })
    assert.deepEqual(problems, [])
    assert.equal(config.SPECULATIVE_PAGE_FAULT, false)
    assert.equal(config.SPECULATIVE_PAGE_FAULT_STATS, false)
  })

  it('refuses what was asked for and lacks what it needs', () => {
    for (const missing of ['ARCH_SUPPORTS_SPECULATIVE_PAGE_FAULT', 'ARCH_HAS_PTE_SPECIAL', 'SMP'] as const) {
      const { problems } = resolveKernelConfig({ SPECULATIVE_PAGE_FAULT: true, [missing]: false })
      assert.deepEqual(problems, [`SPECULATIVE_PAGE_FAULT needs ${missing}`])
    }
    assert.match(resolveKernelConfig({ MMU: false }).problems[0]!, /MMU cannot be off/)
    assert.match(resolveKernelConfig({ NO_SUCH: true } as never).problems[0]!, /no option NO_SUCH/)
  })

  it('survives the machine header', () => {
    const { config } = resolveKernelConfig({ SLUB_DEBUG: true, MMU_GATHER_RCU_TABLE_FREE: false })
    assert.deepEqual(unpackKernelConfig(packKernelConfig(config)), config)
  })
})

describe('struct layouts', () => {
  it('have distinct fields inside their size, and distinct names', () => {
    assert.ok(layouts.length >= 10)
    assert.equal(new Set(layouts.map(({ name }) => name)).size, layouts.length)
    for (const { name, words, fields } of layouts) {
      const offsets = Object.values(fields)
      assert.equal(new Set(offsets).size, offsets.length, `${name}: two fields at one place`)
      for (const offset of offsets) assert.ok(offset >= 0 && offset < words, `${name}: a field outside`)
    }
  })
})

describe('written sectors', () => {
  it('cover exactly the bytes of a range', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: PAGE_SIZE - 1 }),
        fc.integer({ min: 1, max: PAGE_SIZE }),
        (offset, wish) => {
          const length = Math.min(wish, PAGE_SIZE - offset)
          let expected = 0
          for (let byte = offset; byte < offset + length; byte++) expected |= 1 << (byte >> 7)
          assert.equal(sectorMask(offset, length), expected)
        },
      ),
    )
  })

  it('are all that clearing needs to know: a cleared frame is zero', () => {
    const { tasks } = testMachine({ frames: 64 })
    const task = tasks[0]!
    const { bytes } = task.memory
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: PAGE_SIZE - 1 }), { maxLength: 40 }), (offsets) => {
        for (const offset of offsets) {
          noteWritten(task, 5, sectorMask(offset, 1))
          bytes[5 * PAGE_SIZE + offset] = 0xff
        }
        clearFrame(task, 5)
        assert.ok(bytes.subarray(5 * PAGE_SIZE, 6 * PAGE_SIZE).every((byte) => byte === 0))
      }),
    )
  })

  it('of a copy are all of them', () => {
    const { tasks } = testMachine({ frames: 64 })
    const task = tasks[0]!
    const { bytes } = task.memory
    bytes.fill(7, 3 * PAGE_SIZE, 4 * PAGE_SIZE)
    copyFrame(task, 4, 3)
    assert.ok(bytes.subarray(4 * PAGE_SIZE, 5 * PAGE_SIZE).every((byte) => byte === 7))
    clearFrame(task, 4)
    assert.ok(bytes.subarray(4 * PAGE_SIZE, 5 * PAGE_SIZE).every((byte) => byte === 0))
  })
})

describe('events', () => {
  it('of each CPU are no fewer than none', () => {
    const { tasks } = testMachine({ cpus: 2 })
    const { heap, base } = tasks[1]!
    // What nearly 2^31 faults do.
    heap[base + PerCpu.vmEvents + VmEvent.pgfault] = 2 ** 31 - 1
    for (const { base: own } of [tasks[0]!, tasks[1]!]) heap[own + PerCpu.vmEvents + VmEvent.pgfault]!++
    assert.equal(allVmEvents(tasks[0]!)['pgfault'], 2 ** 31 + 1)
  })
})

// The kernel on simulated CPUs: every design runs, the same seed gives the same run, what is told adds up.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { designs } from '../../src/kernel/index.ts'
import { type SimulatedRun, simulatedWorkloads } from '../../src/simulate/index.ts'
import { shortRun } from './runs.ts'

describe('the kernel in virtual time', () => {
  for (const { description } of designs) {
    it(`${description.name} takes faults on four CPUs`, async () => {
      const run = await shortRun({ workload: 'page_fault1', design: description.name, cpus: 4, pages: 64 })
      assert.equal(run.cpus, 4)
      assert.ok(run.faults >= 4 * 64, `${run.faults} faults`)
      assert.ok(run.faultsPerSecond > 100_000 && run.faultsPerSecond < 4e6, `${run.faultsPerSecond} faults/s`)
      const time = Object.values(run.timeByCause).reduce((sum, share) => sum + share, 0)
      assert.ok(Math.abs(time - 1) < 1e-6, `shares of time add up to ${time}`)
    })
  }

  for (const { name } of simulatedWorkloads) {
    it(`${name} runs on three CPUs`, async () => {
      const run = await shortRun({ workload: name, cpus: 3, pages: 64, machine: 'westmere-2s' })
      assert.ok(run.faults > 0 && run.virtualMs > 0)
    })
  }

  it('the same seed gives the same run, and another seed another', async () => {
    const run = async (seed: number): Promise<unknown> => {
      const { wallMs: _, ...rest } = await shortRun({
        workload: 'fault-beside-writer',
        cpus: 3,
        pages: 64,
        seed,
      })
      return rest
    }
    const first = await run(7)
    assert.deepEqual(await run(7), first)
    assert.notDeepEqual(await run(8), first)
  })

  it('24 CPUs: the classic lock is a wall, and a speculative fault is not', async () => {
    const [classic, speculative] = [
      await shortRun({ workload: 'pft', design: 'classic', cpus: 24 }),
      await shortRun({ workload: 'pft', design: 'lespinasse-2022', cpus: 24 }),
    ]
    assert.equal(classic.lines[0]!.name, 'mm.mmapLock')
    assert.ok(classic.lines[0]!.transfersPerFault > 1.5)
    assert.ok(classic.timeByCause['line mm.mmapLock']! > 0.5)
    assert.ok(speculative.faultsPerSecond > 2 * classic.faultsPerSecond)
    assert.ok(
      !speculative.lines.some(
        ({ name, transfersPerFault }) => name === 'mm.mmapLock' && transfersPerFault > 0.1,
      ),
    )
  })

  it('what Linux writes besides bounds a fault that does without the mmap lock', async () => {
    const [none, batches, larger] = [
      await shortRun({ workload: 'pft', design: 'lespinasse-2022', cpus: 24 }),
      await shortRun({ workload: 'pft', design: 'lespinasse-2022', cpus: 24, accounting: '6.1' }),
      await shortRun({ workload: 'pft', design: 'lespinasse-2022', cpus: 24, accounting: '6.10' }),
    ]
    const lruTrips = ({ lines }: SimulatedRun): number =>
      lines.find(({ name }) => name === 'machine.lruLock')?.transfersPerFault ?? 0
    assert.equal(lruTrips(none), 0)
    // At least one trip for each batch, of 15 or 31 pages, and fewer for the larger.
    assert.ok(lruTrips(batches) >= 1 / 16, `${lruTrips(batches)} trips`)
    assert.ok(lruTrips(larger) >= 1 / 32 && lruTrips(larger) < lruTrips(batches), `${lruTrips(larger)} trips`)
    assert.ok(batches.faultsPerSecond < none.faultsPerSecond)
  })

  it('page_fault1 runs on 64 CPUs, whole rounds of mapping and unmapping', async () => {
    const run = await shortRun({ workload: 'page_fault1', design: 'per-vma-lock-2023', cpus: 64, pages: 64 })
    assert.ok(run.faults >= 64 * 64)
    assert.ok(run.idleShare > 0 && run.idleShare < 1, `idle ${run.idleShare}`)
    assert.ok(Object.keys(run.timeByCause).some((cause) => cause.startsWith('asleep mm.mmapLock')))
  })

  it('with two threads a core computes slower than with one, and faster than half as fast', async () => {
    const change = (
      machine: Parameters<NonNullable<Parameters<typeof shortRun>[0]['change']>>[0],
    ): typeof machine => ({
      ...machine,
      topology: { ...machine.topology, sockets: 1, coresPerGroup: 1 },
    })
    const one = await shortRun({ workload: 'pft', cpus: 1, pages: 256, change })
    const two = await shortRun({ workload: 'pft', cpus: 2, pages: 256, change })
    assert.ok(two.faultsPerSecond > one.faultsPerSecond && two.faultsPerSecond < 2 * one.faultsPerSecond)
  })
})

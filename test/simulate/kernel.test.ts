// The kernel on simulated CPUs: every design runs, the same seed gives the same run, what is told adds up.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { designs } from '../../src/kernel/index.ts'
import { type MachineModel, type SimulatedRun, simulatedWorkloads } from '../../src/simulate/index.ts'
import { nsPerCount, shortRun } from './runs.ts'

/** How often the line of that name comes from another core, for each thing that is counted. */
function tripsOf({ lines }: SimulatedRun, line: string): number {
  return lines.find(({ name }) => name === line)?.transfersPerFault ?? 0
}

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

  // The last of spf_test is as the one before, ten times as long.
  for (const { name } of simulatedWorkloads.filter((each) => each.name !== 'spf_test-30x30')) {
    it(`${name} runs on three CPUs`, async () => {
      const run = await shortRun({ workload: name, cpus: 3, pages: 64, machine: 'westmere-2s' })
      assert.ok(run.faults > 0 && run.virtualMs > 0)
    })
  }

  it('page_fault2 has a frame for each page of its files, and one for each copy', async () => {
    const run = await shortRun({ workload: 'page_fault2', cpus: 2, pages: 2048, machine: 'here' })
    assert.ok(run.faults >= 2 * 2048, `${run.faults} faults`)
  })

  it('where compare-and-swap fails most often, it is measured what all have done', async () => {
    const run = await shortRun({ workload: 'compare-and-swap', cpus: 80, machine: 'power8-80', pages: 2048 })
    assert.ok(run.faults >= 80 * 1024, `${run.faults} operations`)
  })

  it('a page that is unmapped takes what the machine says, and one that stays nothing of it', async () => {
    const nsWith = async (workload: string, unmapPageNs: number): Promise<number> => {
      const change = (machine: MachineModel): MachineModel => ({
        ...machine,
        software: { ...machine.software, unmapPageNs },
      })
      return nsPerCount(await shortRun({ workload, cpus: 1, pages: 256, change }))
    }
    const added = async (workload: string): Promise<number> =>
      (await nsWith(workload, 1000)) - (await nsWith(workload, 0))
    const [unmapped, kept] = [await added('page_fault1'), await added('pft')]
    assert.ok(Math.abs(unmapped - 1000) < 10, `${unmapped} ns`)
    assert.equal(kept, 0)
  })

  it('a call that changes the layout takes what the machine says, where it is as frequent as in the source', async () => {
    const nsWith = async (workload: string, layoutNs: number): Promise<number> => {
      const change = (machine: MachineModel): MachineModel => ({
        ...machine,
        software: { ...machine.software, layoutNs },
      })
      return nsPerCount(await shortRun({ workload, cpus: 1, pages: 256, change }))
    }
    const added = async (workload: string): Promise<number> =>
      (await nsWith(workload, 10_000)) - (await nsWith(workload, 0))
    // Two for each pair; one for each call; two for 32,768 pages, of which there are 256 here.
    const [pair, call, page] = [await added('mmap1'), await added('brk1'), await added('page_fault1')]
    assert.ok(Math.abs(pair - 20_000) < 100, `${pair} ns`)
    assert.ok(Math.abs(call - 10_000) < 50, `${call} ns`)
    assert.ok(Math.abs(page - 20_000 / 32_768) < 0.1, `${page} ns`)
  })

  describe('the line of the mmap lock, which x86 asks for ahead in each fault', () => {
    const run = (
      design: string,
      cpus: number,
      prefetchesMmapLock: boolean,
      isRootApart = true,
    ): Promise<SimulatedRun> => {
      const change = (machine: MachineModel): MachineModel => ({
        ...machine,
        prefetchesMmapLock,
        isRootApart,
      })
      const kernel = { rwsem: 'spinning', accounting: '5.11', spinlock: 'queued' } as const
      return shortRun({ workload: 'pft-split', design, ...kernel, cpus, pages: 256, change })
    }
    for (const design of ['zijlstra-2014', 'per-vma-lock-2023', 'leaf-slots']) {
      it(`comes once for a fault of ${design}, and bounds it if the root of the page table is on it`, async () => {
        const without = await run(design, 48, false)
        const [apart, beside] = [await run(design, 48, true), await run(design, 48, true, false)]
        assert.ok(tripsOf(without, 'mm.mmapLock') < 0.05)
        assert.ok(
          Math.abs(tripsOf(beside, 'mm.mmapLock') - 1) < 0.1,
          `${tripsOf(beside, 'mm.mmapLock')} trips`,
        )
        // Between the two sockets and within them by turns, 48 and 141 ns.
        assert.ok(Math.abs(nsPerCount(beside) - 95) < 15, `${nsPerCount(beside)} ns`)
        for (const free of [without, apart])
          assert.ok(nsPerCount(free) < 0.7 * nsPerCount(beside), `${nsPerCount(free)} ns`)
      })
    }

    it('bounds lespinasse-2021, which reads its count on it', async () => {
      const [without, ahead] = [
        await run('lespinasse-2021', 48, false),
        await run('lespinasse-2021', 48, true),
      ]
      assert.ok(tripsOf(without, 'mm.mmapLock') < 0.05)
      assert.ok(tripsOf(ahead, 'mm.mmapLock') > 2, `${tripsOf(ahead, 'mm.mmapLock')} trips`)
      assert.ok(nsPerCount(without) < 0.5 * nsPerCount(ahead), `${nsPerCount(ahead)} ns`)
    })

    it('comes no more often where a fault takes the lock at once: that waits for it', async () => {
      const [without, ahead] = [await run('classic', 48, false), await run('classic', 48, true)]
      const more = tripsOf(ahead, 'mm.mmapLock') - tripsOf(without, 'mm.mmapLock')
      assert.ok(Math.abs(more) < 0.2, `${more} trips more`)
      assert.ok(Math.abs(nsPerCount(ahead) / nsPerCount(without) - 1) < 0.05)
    })

    it('is there when a reader looks at the lock before it takes it: that is no further trip', async () => {
      const looking = (prefetchesMmapLock: boolean): Promise<SimulatedRun> => {
        const change = (machine: MachineModel): MachineModel => ({ ...machine, prefetchesMmapLock })
        const kernel = { rwsem: 'spinning', accounting: '6.1', spinlock: 'queued' } as const
        return shortRun({ workload: 'pft', ...kernel, cpus: 30, pages: 256, change })
      }
      const [without, ahead] = [await looking(false), await looking(true)]
      // One for the request, in which the look and the exchange are, one for the release, and one between them for the
      // root of the page table, if the line has gone by then.
      const trips = tripsOf(ahead, 'mm.mmapLock')
      assert.ok(trips > 2.4 && trips < 3, `${trips} trips`)
      assert.ok(
        tripsOf(without, 'mm.mmapLock') > trips + 0.9,
        `${tripsOf(without, 'mm.mmapLock')} trips without`,
      )
    })

    it('has neither the root of the page table since 6.10, nor the owner in 6.16, which each reader writes', async () => {
      const trips = async (accounting: '6.1' | '6.10' | '6.16', design: string): Promise<number[]> => {
        const kernel = { rwsem: 'spinning', accounting, spinlock: 'queued' } as const
        const change = (machine: MachineModel): MachineModel => ({ ...machine, prefetchesMmapLock: false })
        const simulated = await shortRun({
          workload: 'pft-split',
          design,
          ...kernel,
          cpus: 48,
          pages: 256,
          change,
        })
        return ['mm.mmapLock', 'mm.mmapLockOwner'].map((name) => tripsOf(simulated, name))
      }
      const [lock61] = await trips('6.1', 'classic')
      const [lock610, owner610] = await trips('6.10', 'classic')
      const [lock616, owner616] = await trips('6.16', 'classic')
      // Where the root is there, the line has often gone by the time at which the fault walks.
      assert.ok(lock61! > lock610! + 0.2, `${lock61} and ${lock610} trips of the lock`)
      assert.ok(Math.abs(lock616! - lock610!) < 0.1, `${lock610} and ${lock616} trips of the lock`)
      assert.equal(owner610, 0)
      assert.ok(Math.abs(owner616! - 1) < 0.02, `${owner616} trips of the owner`)
      assert.deepEqual(await trips('6.16', 'per-vma-lock-2023'), [0, 0])
    })

    it('is there already where one CPU runs alone', async () => {
      const [without, ahead] = [await run('classic', 1, false), await run('classic', 1, true)]
      assert.ok(Math.abs(nsPerCount(ahead) / nsPerCount(without) - 1) < 0.01)
    })
  })

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
    const lruTrips = (run: SimulatedRun): number =>
      tripsOf(run, 'node0.lruLock') + tripsOf(run, 'node1.lruLock')
    assert.equal(lruTrips(none), 0)
    // At least one trip for each batch, of 15 or 31 pages, and fewer for the larger.
    assert.ok(lruTrips(batches) >= 1 / 16, `${lruTrips(batches)} trips`)
    assert.ok(lruTrips(larger) >= 1 / 32 && lruTrips(larger) < lruTrips(batches), `${lruTrips(larger)} trips`)
    assert.ok(batches.faultsPerSecond < none.faultsPerSecond)
  })

  it('each socket has a memory node, with a list of the LRU and a zone of its own', async () => {
    const pft = { workload: 'pft', design: 'lespinasse-2022', accounting: '5.11' } as const
    const [spread, near] = [await shortRun({ ...pft, cpus: 24 }), await shortRun({ ...pft, cpus: 12 })]
    for (const lock of ['node0.lruLock', 'node1.lruLock']) assert.ok(tripsOf(spread, lock) > 0, lock)
    // So few all run on the first socket, before Linux 6.0.
    assert.ok(tripsOf(near, 'node0.lruLock') > 0)
    assert.equal(tripsOf(near, 'node1.lruLock'), 0)
  })

  it('where many wait for a spinlock, a queued one is handed on sooner than one that all look at', async () => {
    const pft = { workload: 'pft', design: 'lespinasse-2022', accounting: '6.1', cpus: 56 } as const
    // All in one socket, so that they wait for one lock.
    const change = (machine: MachineModel): MachineModel => ({
      ...machine,
      topology: { ...machine.topology, sockets: 1, coresPerGroup: 56 },
    })
    const [one, ticket, queued] = [
      await shortRun({ ...pft, change }),
      await shortRun({ ...pft, change, spinlock: 'ticket' }),
      await shortRun({ ...pft, change, spinlock: 'queued' }),
    ]
    assert.ok(queued.faultsPerSecond > one.faultsPerSecond)
    assert.ok(queued.faultsPerSecond > ticket.faultsPerSecond)
  })

  it('with more threads than CPUs each gets one, and no CPU is idle while one waits', async () => {
    const [pair, four] = [
      await shortRun({ workload: 'ebizzy-mTt', cpus: 1, machine: 'westmere-2s' }),
      await shortRun({ workload: 'ebizzy-mTt', cpus: 4, machine: 'westmere-2s' }),
    ]
    assert.ok(pair.idleShare < 0.02, `idle ${pair.idleShare}`)
    assert.ok(four.faultsPerSecond > pair.faultsPerSecond)
    assert.ok(four.idleShare >= 0 && four.idleShare < 1)
  })

  it('spf_test: all threads come to their end, and each has measured itself', async () => {
    const run = await shortRun({ workload: 'spf_test-10x2', cpus: 4, pages: 21, machine: 'pixel-6' })
    assert.equal(run.faults, 100 * 20)
    assert.ok(run.threadMs! > 0 && run.threadMs! < run.virtualMs)
  })

  it('the programs of 2009: speculation and xadd each beat the spinlock in front of the semaphore', async () => {
    const rate = async (design: string, rwsem: string): Promise<number> => {
      const machine = 'westmere-2s'
      const run = await shortRun({
        workload: 'multi-fault-all',
        design,
        rwsem,
        cpus: 8,
        machine,
        spinlock: 'ticket',
      })
      return run.faultsPerSecond
    }
    const generic = await rate('classic', 'generic')
    const xadd = await rate('classic', 'xadd')
    const speculative = await rate('zijlstra-2010', 'generic')
    assert.ok(xadd > 1.3 * generic, `${xadd} and ${generic}`)
    assert.ok(speculative > 1.3 * generic, `${speculative} and ${generic}`)
  })

  it('one bus for all: clearing on two sockets is no faster than on one', async () => {
    const rate = async (hasOneMemory: boolean): Promise<number> => {
      const change = (machine: MachineModel): MachineModel => ({
        ...machine,
        topology: { ...machine.topology, coresPerGroup: 2 },
        clearing: { hotNs: 100, coldNs: 100 },
        bandwidthPerSocket: 4,
        hasOneMemory,
      })
      return (await shortRun({ workload: 'pft', design: 'lespinasse-2022', cpus: 4, change })).faultsPerSecond
    }
    const [one, two] = [await rate(true), await rate(false)]
    // 8 KiB a page at 4 GB/s: 488 k pages a second of a bus.
    assert.ok(one < 1.02 * 488_281, `${one}`)
    assert.ok(two > 1.5 * one, `${two} and ${one}`)
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

// What a machine says of the kernel that was measured on it, and what of a description is refused.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rwsemsOf } from '../../src/simulate/machine.ts'
import { type MachineModel, findMachine, publishedRows } from '../../src/simulate/index.ts'
import { nsPerCount, shortRun } from './runs.ts'

describe('the semaphore of a machine', () => {
  it('stands for those of the designs, unless others are asked for', () => {
    assert.deepEqual(rwsemsOf(findMachine('pixel-6')!, 'year'), ['reader-spinning'])
    assert.deepEqual(rwsemsOf(findMachine('pixel-6')!, ['xadd']), ['xadd'])
    assert.equal(rwsemsOf(findMachine('rome-2s')!, 'year'), 'year')
  })

  it('is that of its published rows, which are compared with nothing else', () => {
    const rows = publishedRows.filter(({ machine }) => machine === 'pixel-6')
    assert.equal(rows.length, 8)
    for (const { rwsem } of rows) assert.equal(rwsem, findMachine('pixel-6')!.rwsem)
  })
})

describe('cores that differ', () => {
  it('take as much longer as they are slower, for what they compute and not for lines that come', async () => {
    const ns = async (workload: string, cpus: number, speed: number): Promise<number> => {
      const change = (machine: MachineModel): MachineModel => {
        const topology = { sockets: 1, groupsPerSocket: 1, coresPerGroup: 2, threadsPerCore: 1 }
        return { ...machine, topology, coreSpeeds: [speed, speed] }
      }
      return nsPerCount(await shortRun({ workload, cpus, machine: 'pixel-6', change }))
    }
    assert.ok(Math.abs((await ns('fetch-add', 1, 0.25)) / (await ns('fetch-add', 1, 1)) - 4) < 0.01)
    const [fast, slow] = [await ns('ping-pong', 2, 1), await ns('ping-pong', 2, 0.25)]
    assert.ok(slow / fast < 1.5, `${slow} ns and ${fast} ns`)
  })

  it('are those that a thread is on: of two, the one on the slow core does less', async () => {
    const change = (machine: MachineModel): MachineModel => {
      const topology = { sockets: 1, groupsPerSocket: 1, coresPerGroup: 2, threadsPerCore: 1 }
      return { ...machine, topology, coreSpeeds: [1, 0.25] }
    }
    const both = await shortRun({ workload: 'pft-split', cpus: 2, machine: 'pixel-6', change })
    const one = await shortRun({ workload: 'pft-split', cpus: 1, machine: 'pixel-6', change })
    const more = both.faultsPerSecond / one.faultsPerSecond
    assert.ok(more > 1.1 && more < 1.7, `${more}`)
  })
})

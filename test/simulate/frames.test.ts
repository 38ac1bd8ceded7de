// What clearing and copying a frame costs.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FrameCosts } from '../../src/simulate/frames.ts'
import { findMachine } from '../../src/simulate/index.ts'
import { Topology } from '../../src/simulate/topology.ts'

describe('frames that are cleared at the same time on two sockets', () => {
  const bus = {
    ...findMachine('westmere-2s')!,
    clearing: { hotNs: 100, coldNs: 100 },
    bandwidthPerSocket: 8.192, // 8 KiB in 1,000 ns
  }
  const topology = new Topology(bus.topology)
  const other = topology.cores / topology.shape.sockets

  /** In nanoseconds: two frames on the first socket, then one on the other, all at time 0. */
  const costs = (hasOneMemory: boolean, framesPerNode: number): number[] => {
    const frames = new FrameCosts({ ...bus, hasOneMemory }, topology, 16, 1, framesPerNode)
    return [frames.clear(0, 0, 0), frames.clear(1, 1, 0), frames.clear(other, 9, 0)]
  }

  it('do not wait for each other if each socket has its memory', () => {
    assert.deepEqual(costs(false, 0), [1000, 2000, 1000])
    assert.deepEqual(costs(false, 8), [1000, 2000, 1000])
  })

  it('wait for one bus if the sockets have one memory, also where threads are of no CPU', () => {
    assert.deepEqual(costs(true, 0), [1000, 2000, 3000])
    assert.deepEqual(costs(true, 16), [1000, 2000, 3000])
  })
})

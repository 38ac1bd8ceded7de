// Where threads that nobody binds are placed: by the rules of two times of Linux, worked out by hand.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Topology } from '../../src/simulate/topology.ts'

const twoSockets = new Topology({ sockets: 2, groupsPerSocket: 1, coresPerGroup: 32, threadsPerCore: 2 })

function socketsOf(topology: Topology, count: number, since6: boolean): string {
  const cpus = topology.place(count, 'spread', since6)
  assert.equal(new Set(cpus).size, count)
  return cpus.map((cpu) => topology.socketOfCore[topology.coreOf(cpu)]).join('')
}

describe('threads over sockets', () => {
  it('Linux 5.11 to 5.17: a quarter of its CPUs may have one socket, more go by turns', () => {
    assert.equal(socketsOf(twoSockets, 16, false), '0'.repeat(16))
    assert.equal(socketsOf(twoSockets, 17, false), '01010101010101010')
  })

  it('Linux since 6.0: the first socket is ahead by three at most, and by none from an eighth of its CPUs on', () => {
    // 1:0, 2:0, 3:0, 3:1, 4:1, 4:2, 5:2, 5:3, 6:3, 6:4, 7:4, 7:5, 8:5, then where the fewest are.
    assert.equal(socketsOf(twoSockets, 19, true), '0001010101010111010')
  })

  it('several groups in a socket: one thread for each may be there, and none of them gets a second before', () => {
    const zen = new Topology({ sockets: 2, groupsPerSocket: 4, coresPerGroup: 2, threadsPerCore: 2 })
    assert.equal(socketsOf(zen, 8, true), '00010111')
    const groups = zen.place(8, 'spread', true).map((cpu) => zen.groupOfCore[zen.coreOf(cpu)])
    assert.deepEqual(groups, [0, 1, 2, 4, 3, 5, 6, 7])
  })

  it('with all CPUs taken, each has one thread', () => {
    for (const since6 of [false, true]) socketsOf(twoSockets, 128, since6)
  })
})

// Who waits for a line, held against a plain list from which who is next is taken out.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LineWaiters } from '../../src/simulate/line-waiters.ts'
import { Topology } from '../../src/simulate/topology.ts'
import { xorshift32 } from '../../src/workloads/xorshift.ts'

const topology = new Topology({ sockets: 2, groupsPerSocket: 4, coresPerGroup: 4, threadsPerCore: 2 })
const coreOf = Int16Array.from({ length: topology.cpus }, (_, cpu) => topology.coreOf(cpu))

/** As the rule has it: the first that came, or the first of the nearest. */
class PlainList {
  readonly cpus: number[] = []
  readonly since: number[] = []
  #last = -1
  #near = 0

  next(near: number): number {
    let place = 0
    if (near > 0 && this.#last >= 0 && this.#near < near) {
      const away = this.cpus.map((cpu) => topology.distance(this.#last, coreOf[cpu]!))
      place = away.indexOf(Math.min(...away))
    }
    this.#near = place === 0 ? 0 : this.#near + 1
    const [cpu] = this.cpus.splice(place, 1)
    this.since.splice(place, 1)
    this.#last = coreOf[cpu!]!
    return cpu!
  }
}

describe('CPUs that wait for a line', () => {
  for (const near of [0, 1, 6]) {
    it(`go on in the order of a plain list, at most ${near} times in a row to the nearest`, () => {
      const next = xorshift32(near + 1)
      const [waiters, plain] = [new LineWaiters(), new PlainList()]
      // The queue is never empty for a long time, so that its beginning moves on and is given up.
      for (let turn = 0; turn < 20_000; turn++) {
        const cpu = next() % topology.cpus
        const isFull = plain.cpus.length === topology.cpus
        if (!isFull && !plain.cpus.includes(cpu)) {
          waiters.add(cpu, turn)
          plain.cpus.push(cpu)
          plain.since.push(turn)
        }
        if (plain.cpus.length > 1 && next() % 3 !== 0)
          assert.equal(waiters.next(topology, coreOf, near, turn), plain.next(near))
        assert.deepEqual([waiters.size, waiters.first], [plain.cpus.length, plain.cpus[0]])
      }
      assert.deepEqual(waiters.since(), plain.since)
      while (plain.cpus.length > 0)
        assert.equal(waiters.next(topology, coreOf, near, 20_000), plain.next(near))
      assert.deepEqual([waiters.size, waiters.since()], [0, []])
    })
  }

  it('the other thread of the core goes on with whoever gets the line, if it waited already and only reads', () => {
    const [other, first, sibling, late] = [1, 0, topology.cores, topology.cores + 1]
    const waiters = new LineWaiters()
    const reads = (): boolean => true
    waiters.add(first, 1)
    waiters.add(other, 2)
    waiters.add(sibling, 3)
    assert.equal(waiters.takeSibling(coreOf, reads), -1)
    assert.equal(waiters.next(topology, coreOf, 0, 10), first)
    assert.equal(
      waiters.takeSibling(coreOf, () => false),
      -1,
    )
    assert.equal(waiters.takeSibling(coreOf, reads), sibling)
    assert.equal(waiters.takeSibling(coreOf, reads), -1)
    assert.equal(waiters.next(topology, coreOf, 0, 20), other)
    waiters.add(late, 21)
    assert.equal(waiters.takeSibling(coreOf, reads), -1)
    assert.equal(waiters.next(topology, coreOf, 0, 30), late)
  })
})

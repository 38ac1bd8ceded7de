// Who waits for a line, held against a plain list from which who is next is taken out.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LineWaiters, Waiting } from '../../src/simulate/line-waiters.ts'
import { Topology } from '../../src/simulate/topology.ts'
import { xorshift32 } from '../../src/workloads/xorshift.ts'

const topology = new Topology({ sockets: 2, groupsPerSocket: 4, coresPerGroup: 4, threadsPerCore: 2 })

function cores(): Int16Array {
  return Int16Array.from({ length: topology.cpus }, (_, cpu) => topology.coreOf(cpu))
}

/** As the rule has it: the first that came, or the first of the nearest; and of a core those that it serves. */
class PlainList {
  cpus: number[] = []
  since: number[] = []
  readonly #came = new Map<number, number>()
  readonly #coreOf: Int16Array
  #last = -1
  #lastAt = -1
  #near = 0

  constructor(coreOf: Int16Array) {
    this.#coreOf = coreOf
  }

  add(cpu: number, time: number): void {
    this.cpus.push(cpu)
    this.since.push(time)
    this.#came.set(cpu, time)
  }

  replace(cpu: number, by: number, time: number): void {
    const place = this.cpus.indexOf(cpu)
    this.cpus[place] = by
    this.since[place] = time
    this.#came.set(by, this.#came.get(cpu)!)
  }

  takeSibling(isServed: (cpu: number) => boolean): number {
    return this.#take(
      this.cpus.findIndex((cpu) => {
        return this.#coreOf[cpu] === this.#last && this.#came.get(cpu)! <= this.#lastAt && isServed(cpu)
      }),
    )
  }

  next(near: number, time: number): number {
    let place = 0
    if (near > 0 && this.#last >= 0 && this.#near < near) {
      const away = this.cpus.map((cpu) => topology.distance(this.#last, this.#coreOf[cpu]!))
      place = away.indexOf(Math.min(...away))
    }
    this.#near = place === 0 ? 0 : this.#near + 1
    const cpu = this.#take(place)
    this.#last = this.#coreOf[cpu]!
    this.#lastAt = time
    return cpu
  }

  #take(place: number): number {
    if (place < 0) return -1
    this.since.splice(place, 1)
    return this.cpus.splice(place, 1)[0]!
  }
}

describe('CPUs that wait for a line', () => {
  for (const near of [0, 1, 6]) {
    it(`go on in the order of a plain list, at most ${near} times in a row to the nearest`, () => {
      const random = xorshift32(near + 1)
      const coreOf = cores()
      const waiting = new Waiting(topology, coreOf)
      // Two lines, of each of which some wait: who waits for the other is never taken.
      const lines = Array.from({ length: 2 }, () => {
        return { waiters: new LineWaiters(waiting), plain: new PlainList(coreOf) }
      })
      let siblings = 0
      for (let turn = 0; turn < 30_000; turn++) {
        const { waiters, plain } = lines[random() % 2]!
        const cpu = random() % topology.cpus
        const isFree = lines.every((line) => !line.plain.cpus.includes(cpu))
        assert.equal(waiters.has(cpu), plain.cpus.includes(cpu))
        if (!isFree) waiting.move(cpu, random() % topology.cores)
        else if (plain.cpus.length > 0 && random() % 4 === 0) {
          const replaced = plain.cpus[random() % plain.cpus.length]!
          waiters.replace(replaced, cpu, turn)
          plain.replace(replaced, cpu, turn)
        } else {
          waiters.add(cpu, turn)
          plain.add(cpu, turn)
        }
        const isServed = (id: number): boolean => id % 3 !== 0
        const sibling = waiters.takeSibling(isServed)
        assert.equal(sibling, plain.takeSibling(isServed))
        if (sibling >= 0) siblings++
        if (plain.cpus.length > 1 && random() % 3 !== 0)
          assert.equal(waiters.next(near, turn), plain.next(near, turn))
        assert.deepEqual([waiters.size, waiters.first], [plain.cpus.length, plain.cpus[0] ?? -1])
      }
      assert.ok(siblings > 100, `${siblings} siblings were served`)
      for (const { waiters, plain } of lines) {
        assert.deepEqual(waiters.since(), plain.since)
        while (plain.cpus.length > 0) assert.equal(waiters.next(near, 30_000), plain.next(near, 30_000))
        assert.deepEqual([waiters.size, waiters.since()], [0, []])
      }
    })
  }

  it('the other thread of the core goes on with whoever gets the line, if it waited already and only reads', () => {
    const [other, first, sibling, late] = [1, 0, topology.cores, topology.cores + 1]
    const waiters = new LineWaiters(new Waiting(topology, cores()))
    const reads = (): boolean => true
    waiters.add(first, 1)
    waiters.add(other, 2)
    waiters.add(sibling, 3)
    assert.equal(waiters.takeSibling(reads), -1)
    assert.equal(waiters.next(0, 10), first)
    assert.equal(
      waiters.takeSibling(() => false),
      -1,
    )
    assert.equal(waiters.takeSibling(reads), sibling)
    assert.equal(waiters.takeSibling(reads), -1)
    assert.equal(waiters.next(0, 20), other)
    waiters.add(late, 21)
    assert.equal(waiters.takeSibling(reads), -1)
    assert.equal(waiters.next(0, 30), late)
  })
})

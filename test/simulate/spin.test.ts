// When the simulator takes a CPU that spins for one that waits: once it has read the same twice and changed nothing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PAUSE, SPINNING } from '../../src/backends/stepped/thread.ts'
import { Topology, findMachine } from '../../src/simulate/index.ts'
import { SimulationStuck, Simulator } from '../../src/simulate/simulator.ts'

/** One thread, which has read a word that nobody changes. */
function oneThread(): Simulator {
  const machine = findMachine('here')!
  const simulator = new Simulator({
    machine,
    topology: new Topology(machine.topology),
    places: [0],
    subject: { isAsleep: () => false, isHalted: () => false, lockOf: () => 0 },
    begin: new Float64Array(1),
  })
  const thread = simulator.threads[0]!
  thread.kind = PAUSE
  thread.watchTo = 1
  thread.readArrays[0] = Int32Array.of(5)
  thread.readValues[0] = 5
  return simulator
}

/** The thread pauses, having changed so much since its last pause; returns who goes on. */
function pauseAfter(simulator: Simulator, changes: number): number {
  const thread = simulator.threads[0]!
  // The pause itself makes it forget what it has read, and so does each change.
  thread.epoch += 1 + changes
  thread.state = SPINNING
  return simulator.choose()
}

describe('a CPU that spins', () => {
  it('goes on as long as it changes something between two looks at the same', () => {
    const simulator = oneThread()
    assert.equal(simulator.choose(), 0)
    // Interrupts that it answers: what it waits for, it has not looked at again since.
    for (let turn = 0; turn < 3; turn++) assert.equal(pauseAfter(simulator, 1), 0)
  })

  it('waits once it has looked twice and changed nothing: alone, it would wait for ever', () => {
    const simulator = oneThread()
    assert.equal(simulator.choose(), 0)
    assert.equal(pauseAfter(simulator, 1), 0)
    assert.throws(() => pauseAfter(simulator, 0), SimulationStuck)
  })
})

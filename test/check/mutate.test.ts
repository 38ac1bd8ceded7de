// The mutants of the examples: what is changed, and what is not.

import assert from 'node:assert/strict'
import { it } from 'node:test'
import { mutantsOf } from './classics/mutate.ts'

const example = `
import { it } from 'node:test'
import { check } from 'faultline/check'
import { breaks, holds } from './verdicts.ts'

class Gate {
  protected readonly cells: Int32Array

  constructor() {
    this.cells = new Int32Array(new SharedArrayBuffer(8))
  }

  open(value: number): void {
    Atomics.store(this.cells, 0, value)
    Atomics.notify(this.cells, 0)
    Atomics.pause()
  }

  pass(): boolean {
    return half(Atomics.compareExchange(this.cells, 0, 1, 0)) < 1
  }
}

class WrongGate extends Gate {
  override open(): void {
    Atomics.store(this.cells, 1, 1)
  }
}

class SequentialGate {
  isOpen = false
  open(): void {
    this.isOpen = true
  }
}

const half = (value: number): number => value / 2

function through(gate: Gate): void {
  if (!gate.pass()) throw new Error('closed')
}

it('is wrong', (test) => breaks(test, check({ setup: () => new WrongGate(), threads: [through] }), 'error'))

it('is right', (test) => holds(test, check({ setup: () => new Gate(), threads: [through, new SequentialGate().open] })))
`

it('changes the algorithm, and nothing around it', () => {
  const mutants = mutantsOf(example, 'seconds: 1')
  assert.deepEqual(mutants.map(({ operator, line, after }) => `${line} ${operator}: ${after}`).toSorted(), [
    '14 access made plain: (this.cells[0] = value)',
    '14 neighbours swapped: Atomics.notify(this.cells, 0);',
    '14 statement dropped: ;',
    '15 neighbours swapped: Atomics.pause();',
    '15 notify dropped: ;',
    '20 condition weakened: half(Atomics.compareExchange(this.cells, 0, 1, 0)) <= 1',
    '20 operation taken apart: casApart(this.cells, 0, 1, 0)',
  ])
})

it('leaves the tests of what is right, with the limit, and the lines where they are', () => {
  const mutants = mutantsOf(example, 'seconds: 1')
  const { length } = example.split('\n')
  for (const { text } of mutants) {
    assert.doesNotMatch(text, /is wrong|WrongGate/)
    assert.match(text, /check\(\{ \.\.\.\(\{ setup: .* \}\), seconds: 1 \}\)/)
    assert.ok(text.split('\n').length > length)
    assert.equal(
      text.split('\n').findIndex((line) => line.startsWith("it('is right'")),
      length - 2,
    )
  }
})

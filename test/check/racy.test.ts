// racy(): plain accesses that are meant are steps like others, order nothing, and are reported as nothing.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CheckResult, ScenarioFailed, SteppingRefused, check, checkFile, racy } from '../../src/check.ts'

const WORDS = 4
const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(WORDS * 4))

async function outcome(checking: Promise<CheckResult>): Promise<string> {
  try {
    const { verdict, complete } = await checking
    return `${verdict} ${complete}`
  } catch (error) {
    assert.ok(error instanceof ScenarioFailed, String(error))
    return error.result.failure!.kind
  }
}

describe('racy accesses', () => {
  const SEQUENCE = 0
  const write = (cells: Int32Array, value: number): void => {
    Atomics.add(cells, SEQUENCE, 1)
    racy(() => {
      cells[1] = value
      cells[2] = value
    })
    Atomics.add(cells, SEQUENCE, 1)
  }
  const read = (cells: Int32Array): [number, number] => racy(() => [cells[1]!, cells[2]!])
  const mustAgree = ([first, second]: [number, number]): void => {
    if (first !== second) throw new Error(`${first} and ${second}`)
  }

  it('are no data race where a sequence count guards them', async () => {
    const result = await check({
      setup,
      threads: [
        (cells) => write(cells, 1),
        (cells) => {
          for (;;) {
            const before = Atomics.load(cells, SEQUENCE)
            const values = read(cells)
            if (before % 2 === 1 || Atomics.load(cells, SEQUENCE) !== before) continue
            mustAgree(values)
            return
          }
        },
      ],
    })
    assert.deepEqual([result.verdict, result.complete, result.racy], ['pass', true, true])
  })

  it('are explored in every order: halves of two writes are read', async () => {
    const checking = check({
      setup,
      threads: [(cells) => write(cells, 1), (cells) => mustAgree(read(cells))],
    })
    assert.equal(await outcome(checking), 'error')
  })

  it('lose an update, in every form of one', async () => {
    const forms: readonly ((cells: Int32Array) => void)[] = [
      (cells) => racy(() => void cells[0]!++),
      (cells) => racy(() => void (cells[0]! += 1)),
      (cells) =>
        racy(() => {
          ++cells[0]!
        }),
      (cells) => racy(() => (cells[0] = cells[0]! + 1)),
    ]
    for (const [number, form] of forms.entries()) {
      const checking = check({
        name: `form ${number}`,
        setup,
        threads: [form, form],
        invariant: (cells) => cells[0] === 2,
      })
      assert.equal(await outcome(checking), 'error')
    }
  })

  it('order nothing: what is written plainly before one and read plainly after another is a race', async () => {
    const checking = check({
      setup,
      threads: [
        (cells) => {
          cells[1] = 1
          racy(() => (cells[0] = 1))
        },
        (cells) => (racy(() => cells[0]) === 1 ? cells[1] : 0),
      ],
    })
    assert.equal(await outcome(checking), 'race')
  })

  it('do not excuse those that are not: one that is racy and one that is plain race', async () => {
    const checking = check({ setup, threads: [(cells) => racy(() => (cells[0] = 1)), (cells) => cells[0]] })
    assert.equal(await outcome(checking), 'race')
  })

  it('may be of any kind of number, and of objects that are not shared', async () => {
    const { verdict } = await check({
      setup: () => ({ floats: new Float64Array(new SharedArrayBuffer(16)), own: { list: [1] as number[] } }),
      threads: [
        ({ floats, own }) => racy(() => (floats[0] = own.list[0]! / 2)),
        ({ floats }) => {
          const value = racy(() => floats[0])
          if (value !== 0 && value !== 0.5) throw new Error(String(value))
        },
      ],
      invariant: ({ floats }) => floats[0] === 0.5,
    })
    assert.equal(verdict, 'pass')
  })

  it('stand in the call: a function that is handed over is refused', async () => {
    const checking = checkFile(new URL('programs/refused/racy-handed-over.ts', import.meta.url))
    await assert.rejects(checking, (error) => {
      assert.ok(error instanceof SteppingRefused)
      assert.match(
        error.message,
        /racy-handed-over\.ts:8: racy\(\) of something else than one function; write racy/,
      )
      return true
    })
  })

  it('give what they give where nothing is checked', async () => {
    const { verdict } = await check({
      setup,
      threads: [
        (cells) => {
          const values = racy(() => [cells[0]!++, ++cells[0]!, (cells[0]! -= 1), cells[0]!--, cells[0]])
          if (String(values) !== '0,2,1,1,0') throw new Error(String(values))
        },
      ],
    })
    assert.equal(verdict, 'pass')
  })

  it('are what they are where nothing is checked', () => {
    const cells = setup()
    assert.equal(
      racy(() => (cells[1] = 7)),
      7,
    )
    assert.equal(
      racy(() => cells[1]),
      7,
    )
  })
})

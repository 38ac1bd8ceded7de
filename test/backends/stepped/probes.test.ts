// Functions whose calls are reported: with what they were given, and of some with what they return, wherever they do.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { type Probe, alone, loadStepped, memory, setProbes } from '../../../src/backends/stepped/index.ts'

const text = `
const cells = new Int32Array(new SharedArrayBuffer(8))
export function branches(cpu, at) {
  const inner = () => { return 7 }
  if (at < 0) return
  if (at > 1) return -1, inner()
  {
    const cpu = 'another'
    at++
    if (at === 2) return Atomics.add(cells, 0, 5) + (
      0 // of this line nothing is lost
    )
  }
}
export const arrow = (value) => (Atomics.load(cells, 0), value * 2)
export function rigid(value) { try { return value } finally { value = 0 } }
export function quiet(value) { return Atomics.load(cells, 0) + value }
`

const names = ['branches', 'arrow', 'rigid', 'quiet'] as const
const probes: readonly Probe[] = names.map((name, id) => ({
  file: 'program.js',
  function: name,
  id,
  result: name !== 'quiet',
}))

describe('probes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'probes-'))
  after(() => {
    setProbes(null)
    rmSync(folder, { recursive: true })
  })

  it('tell of each call and of each return, with the arguments as they were given', async () => {
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'program.js'), text)
    memory.clear()
    const { exports } = await loadStepped(join(folder, 'program.js'), { probes })
    const told: unknown[][] = []
    setProbes({
      called: (id, first, second) => told.push(['call', names[id], first, second]),
      returned: (id, result, first, second) => told.push([names[id], result, first, second]),
    })
    const run = (name: string, ...args: unknown[]): unknown => {
      told.length = 0
      return alone((exports[name] as (...args: unknown[]) => unknown)(...args))
    }
    const cases: [string, unknown[], unknown][] = [
      ['branches', ['cpu', -1], undefined],
      ['branches', ['cpu', 2], 7],
      ['branches', ['cpu', 1], 0],
      ['branches', ['cpu', 0], undefined],
      ['arrow', [4, undefined], 8],
      ['rigid', [3, undefined], 3],
    ]
    for (const [name, args, result] of cases) {
      assert.equal(run(name, ...args), result)
      assert.deepEqual(told, [
        ['call', name, args[0], args[1]],
        [name, result, args[0], args[1]],
      ])
    }
    assert.equal(run('quiet', 1), 6)
    assert.deepEqual(told, [['call', 'quiet', 1, undefined]])
  })
})

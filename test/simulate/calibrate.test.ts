// What is made of measurements: the shape of a machine from /sys, and the file that describes it.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { describe as describeMachine } from '../../src/simulate/calibrate/describe.ts'
import { machineFile } from '../../src/simulate/calibrate/machine-file.ts'
import { pairsOf, readProcessors, shapeOf } from '../../src/simulate/calibrate/processors.ts'
import { checkMachine, findMachine } from '../../src/simulate/index.ts'

/** Two sockets of two groups of two cores of two threads: 0 to 7 are the first threads, 8 to 15 the second ones. */
function makeSys(root: string): void {
  const put = (path: string, text: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
  put('online', '0-15')
  for (let cpu = 0; cpu < 16; cpu++) {
    const core = cpu % 8
    put(`cpu${cpu}/topology/physical_package_id`, String(core >> 2))
    put(`cpu${cpu}/topology/thread_siblings_list`, `${core},${core + 8}`)
    const first = core & ~1
    put(`cpu${cpu}/cache/index0/level`, '1')
    put(`cpu${cpu}/cache/index0/size`, '32K')
    put(`cpu${cpu}/cache/index0/shared_cpu_list`, `${core},${core + 8}`)
    put(`cpu${cpu}/cache/index3/level`, '3')
    put(`cpu${cpu}/cache/index3/size`, '16M')
    put(`cpu${cpu}/cache/index3/shared_cpu_list`, `${first}-${first + 1},${first + 8}-${first + 9}`)
  }
}

describe('calibrate', () => {
  it('reads who shares what', () => {
    const root = mkdtempSync(join(tmpdir(), 'faultline-sys-'))
    try {
      makeSys(root)
      const processors = readProcessors(root)
      assert.deepEqual(shapeOf(processors), {
        sockets: 2,
        groupsPerSocket: 2,
        coresPerGroup: 2,
        threadsPerCore: 2,
      })
      assert.equal(processors.lastLevelBytes, 16 * 2 ** 20)
      const pairs = pairsOf(processors, 2)
      assert.deepEqual([...pairs.keys()].toSorted(), ['group', 'remote', 'sameCore', 'socket'])
      assert.deepEqual(pairs.get('sameCore'), [[0, 8]])
      assert.deepEqual(pairs.get('group'), [
        [0, 1],
        [2, 3],
      ])
      for (const [one, other] of pairs.get('remote')!) assert.notEqual((one % 8) >> 2, (other % 8) >> 2)
    } finally {
      rmSync(root, { recursive: true })
    }
  })

  it('takes waking apart where it was measured what the waker takes, and else takes a quarter of it', () => {
    const base = findMachine('here')!
    const shape = { sockets: 1, groupsPerSocket: 1, coresPerGroup: 2, threadsPerCore: 1 }
    const of = (median: number) => {
      return { what: 'waking', median, min: median, max: median, unit: 'ns' as const, samples: 9 }
    }
    const partsOf = (found: Parameters<typeof describeMachine>[0]['found']): number[] => {
      const { software } = describeMachine({ name: 'mine', base, shape, lastLevelBytes: 0, found }).machine
      return [software.wakeNs, software.wakeLatencyNs]
    }
    assert.deepEqual(partsOf(new Map([['wake', of(8000)]])), [2000, 6000])
    const both = new Map([
      ['wake', of(8000)],
      ['software.wakeNs', of(5000)],
    ])
    assert.deepEqual(partsOf(both), [5000, 3000])
    assert.deepEqual(partsOf(new Map()), [base.software.wakeNs, base.software.wakeLatencyNs])
  })

  it('writes a machine that can be loaded, and says of each number where it is from', async () => {
    const base = findMachine('here')!
    const shape = { sockets: 2, groupsPerSocket: 1, coresPerGroup: 4, threadsPerCore: 1 }
    const measured = (what: string, median: number) => {
      return { what, median, min: median - 1, max: median + 1, unit: 'ns' as const, samples: 9 }
    }
    const found = new Map([
      ['latency.groupNs', measured('one way', 55.55)],
      ['latency.remoteNs', measured('one way, far', 140)],
      ['wake', measured('waking', 8000)],
    ])
    const described = describeMachine({ name: 'mine', base, shape, lastLevelBytes: 2 ** 25, found })
    const text = machineFile({
      ...described,
      measurements: [],
      contended: [],
      remarks: ['Nothing was bound.'],
    })
    const folder = mkdtempSync(join(tmpdir(), 'faultline-machine-'))
    try {
      const file = join(folder, 'mine.mjs')
      writeFileSync(file, text)
      const loaded = (await import(pathToFileURL(file).href)) as { default: unknown }
      const machine = checkMachine(loaded.default, file)
      assert.deepEqual(machine, described.machine)
      assert.equal(machine.latency.groupNs, 55.6)
      assert.equal(machine.latency.socketNs, 55.6)
      assert.equal(machine.latency.remoteNs, 140)
      assert.deepEqual([machine.software.wakeNs, machine.software.wakeLatencyNs], [2000, 6000])
      assert.equal(machine.clearing.coldNs, base.clearing.coldNs)
    } finally {
      rmSync(folder, { recursive: true })
    }
    const lines = text.split('\n')
    const above = (key: string): string => lines[lines.findIndex((line) => line.includes(`${key}: `)) - 1]!
    assert.match(above('groupNs'), /measured: one way, 55\.6 ns, 54\.6 to 56\.6 of 9/)
    assert.match(above('socketNs'), /no such distance/)
    assert.match(above('coldNs'), /not measured, taken over from here/)
    assert.match(above('faultNs'), /not measured, taken over from here/)
    assert.match(above('residencyNs'), /not measured, taken over from here/)
    // Nothing is without.
    const numbers = lines.filter(
      (line) => /^ +\w+: [\d"]/.test(line) && !/^ +(name|title|source):/.test(line),
    )
    for (const line of numbers) assert.match(lines[lines.indexOf(line) - 1]!, /^ +\/\/ /, line)
  })
})

// The model of a machine held against what was measured of one word, and against formulas.
//
// Core to core: nviennot/core-to-core-latency, medians. One contended word: travisdowns/concurrency-hierarchy-bench.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findMachine } from '../../src/simulate/index.ts'
import { nsPerCount, shortRun } from './runs.ts'

function within(actual: number, expected: number, error: number, what: string): void {
  const off = actual / expected - 1
  assert.ok(
    Math.abs(off) <= error,
    `${what}: ${actual.toFixed(1)} for ${expected} (${(100 * off).toFixed(0)} %)`,
  )
}

describe('core to core', () => {
  const rows = [
    ['skylake-2s', 'compact', 48],
    ['skylake-2s', 'apart', 141.4],
    ['broadwell-2s', 'compact', 39.3],
    ['westmere-2s', 'apart', 73.7],
    ['rome-2s', 'compact', 25],
    ['rome-2s', 'apart', 267],
    ['icelake-2s', 'apart', 108],
  ] as const
  for (const [machine, where, measuredNs] of rows) {
    it(`${machine}, ${where}: ${measuredNs} ns`, async () => {
      const run = await shortRun({
        workload: 'ping-pong',
        machine,
        cpus: 2,
        // One core a socket: the second thread is on the other.
        change: (same) =>
          where === 'compact'
            ? same
            : {
                ...same,
                topology: { ...same.topology, groupsPerSocket: 1, coresPerGroup: 1, threadsPerCore: 1 },
              },
      })
      within(nsPerCount(run), measuredNs, 0.1, 'one way')
    })
  }
})

describe('one contended word', () => {
  const measured = {
    // For n threads, nanoseconds an operation.
    'fetch-add': { 1: 7, 2: 44.1 / 2, 3: 70 / 3, 4: 96.4 / 4 },
    'compare-and-swap': { 2: 108.6 / 2, 3: 226.8 / 3, 4: 347.2 / 4 },
  } as const
  const errors = { 'fetch-add': 0.1, 'compare-and-swap': 0.3 } as const
  for (const workload of ['fetch-add', 'compare-and-swap'] as const) {
    for (const [cpus, measuredNs] of Object.entries(measured[workload])) {
      it(`i7-6700HQ, ${workload}, ${cpus} threads`, async () => {
        const run = await shortRun({ workload, machine: 'skylake-client', cpus: Number(cpus) })
        within(nsPerCount(run), measuredNs, errors[workload], workload)
      })
    }
  }

  it('Graviton 2: a fetch-add costs the same for 2 to 16 threads', async () => {
    const rates = { 2: 118, 4: 115, 8: 106, 16: 107 }
    for (const [cpus, rate] of Object.entries(rates)) {
      const run = await shortRun({ workload: 'fetch-add', machine: 'graviton2', cpus: Number(cpus) })
      within(run.faultsPerSecond / 1e6, rate, 0.15, `${cpus} threads`)
    }
  })
})

describe('formulas', () => {
  // The machine repairman: n clients think for Z, and are served one at a time for S. With as little chance as here the
  // rate is the lower of n / (Z + S) and 1 / S.
  it('faults on one lock are a closed queue', async () => {
    const rate = async (cpus: number): Promise<number> =>
      (await shortRun({ workload: 'pft', cpus, change: oneSocket })).faultsPerSecond
    const [alone, contended] = [await rate(1), await rate(28)]
    const machine = findMachine('skylake-2s')!
    // Three transfers: a load, the compare-and-swap, the release; each is kept for a moment.
    const serviceNs = 3 * (machine.latency.socketNs + machine.residencyNs)
    const thinkNs = 1e9 / alone
    within(1e9 / contended, Math.max((thinkNs + serviceNs) / 28, serviceNs), 0.15, 'plateau')
    within(1e9 / (await rate(4)), Math.max((thinkNs + serviceNs) / 4, serviceNs), 0.1, 'before the knee')
  })

  it('running ahead changes next to nothing', async () => {
    for (const design of ['classic', 'lespinasse-2021']) {
      const options = { workload: 'pft', design, cpus: 8, pages: 512 }
      const ahead = await shortRun(options)
      const exact = await shortRun({ ...options, aheadNs: 0 })
      within(nsPerCount(ahead), nsPerCount(exact), 0.02, design)
    }
  })
})

function oneSocket(machine: ReturnType<typeof findMachine> & object): typeof machine {
  return { ...machine, topology: { ...machine.topology, sockets: 1 } }
}

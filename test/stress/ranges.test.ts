// Threads that count in the same pages by ranges, by pages and by single accesses, in memory that is smaller than what
// they use, beside snapshots and reclaim: nothing that was counted is lost.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { type DesignName, Machine, designs } from '../../src/memory.ts'
import { extent } from '../extent.ts'
import type { RangesReport, RangesTask } from './ranges-worker.ts'

const seed = Number(process.env['STRESS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const PAGE = 4096
const PAGES = 60
const THREADS = 2

const folder = mkdtempSync(join(tmpdir(), 'faultline-ranges-'))
after(() => rmSync(folder, { recursive: true }))

async function run(design: DesignName, steps: number): Promise<void> {
  const swap = { path: join(folder, design), size: '4MiB' }
  const machine = Machine.create({ memory: '256KiB', cpus: 1 + THREADS, design, swap })
  const space = machine.createAddressSpace()
  const base = space.mmap(PAGES * PAGE)
  const reports = await Promise.all(
    Array.from({ length: THREADS }, async (_, index) => {
      const workerData: RangesTask = {
        space: space.handle,
        base,
        pages: PAGES,
        steps,
        seed: seed + index,
        snapshots: index === 0,
      }
      const worker = new Worker(new URL('ranges-worker.ts', import.meta.url), { workerData })
      const ended = once(worker, 'exit')
      const [report] = (await once(worker, 'message')) as [RangesReport]
      await ended
      return report
    }),
  )
  let sum = 0
  for (let page = 0; page < PAGES; page++) sum += space.readUint32(base + page * PAGE)
  assert.equal(
    sum,
    reports.reduce((total, { counted }) => total + counted, 0),
    `seed ${seed}`,
  )
  assert.ok(sum > steps, `${sum} of ${steps} steps`)
  assert.ok(machine.counters()['pswpout']! > 0, 'no page has left memory')
  space.destroy()
  machine.swapOff()
  assert.equal(machine.usage().framesFree, machine.usage().framesTotal)
  machine.detach()
}

const tried = designs.filter((_, index) => (index + seed) % extent(designs.length, 1) === 0)
for (const { name } of tried)
  test(`nothing is lost that threads count by ranges: ${name}`, () => run(name, extent(600, 4000)))

// Campaigns: what the file has is not explored again, and parts together are the whole.

import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  type CampaignOptions,
  type CampaignResult,
  type KernelChoice,
  runCampaign,
} from '../../src/check/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-campaign-'))
after(() => rmSync(folder, { recursive: true }))

const scenarios = ['undertaker-heir', 'two-undertakers', 'refcount']
const choices = (['xadd', 'generic'] as const).map((rwsem) => ({ design: 'classic', rwsem }))

interface Run {
  readonly results: readonly CampaignResult[]
  /** What was explored now. */
  readonly explored: readonly string[]
}

async function run(
  options: Omit<CampaignOptions, 'seconds' | 'onExploration'>,
  machines: readonly KernelChoice[] = choices,
): Promise<Run> {
  const explored: string[] = []
  const onExploration: CampaignOptions['onExploration'] = (scenario, { rwsem }) =>
    explored.push(`${scenario} ${rwsem}`)
  const results = await runCampaign(scenarios, machines, { ...options, seconds: 60, onExploration })
  return { results, explored }
}

const all = scenarios.flatMap((scenario) => choices.map(({ rwsem }) => `${scenario} ${rwsem}`))
const named = (results: readonly CampaignResult[]): string[] =>
  results.map(({ scenario, rwsem }) => `${scenario} ${rwsem}`)

describe('a campaign', () => {
  it('goes on where it was stopped, and does anew what is damaged or of other code', async () => {
    const file = join(folder, 'results.jsonl')
    const first = await run({ file })
    assert.deepEqual(first.explored, all)
    assert.deepEqual(named(first.results), all)
    for (const { verdict, complete, bound } of first.results)
      assert.deepEqual([verdict, complete, bound], ['pass', true, null])
    const second = await run({ file })
    assert.deepEqual(second.explored, [])
    assert.deepEqual(second.results, first.results)
    // Where resident pages are counted otherwise, it is another machine.
    const shared = choices.map((choice) => ({ ...choice, rss: 'shared' as const }))
    assert.deepEqual((await run({ file }, shared)).explored, all)
    assert.deepEqual((await run({ file }, shared)).explored, [])
    // Stopped in the middle of the last line, and the first one is of another kernel.
    const lines = readFileSync(file, 'utf8').trim().split('\n').slice(0, all.length)
    const foreign = lines[0]!.replace(first.results[0]!.digest, '0'.repeat(64))
    writeFileSync(file, [foreign, ...lines.slice(1, -1), lines.at(-1)!.slice(0, 40)].join('\n'))
    appendFileSync(file, '\n')
    const third = await run({ file })
    assert.deepEqual(third.explored, [all[0], all.at(-1)])
    assert.deepEqual(named(third.results), all)
  })

  it('has parts, each of which is done once', async () => {
    const explored: string[] = []
    for (const index of [1, 2, 3, 4]) {
      const part = await run({ shard: { index, count: 4 } })
      assert.deepEqual(named(part.results), part.explored)
      assert.ok(part.explored.length >= 1 && part.explored.length <= 2)
      explored.push(...part.explored)
    }
    assert.deepEqual(explored.toSorted(), all.toSorted())
  })
})

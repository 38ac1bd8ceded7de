// What the tests of campaigns have in common.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { expandCampaign } from '../../src/campaign/campaign.ts'
import type { Executor } from '../../src/campaign/executors/executor.ts'
import type { Job, JobResult } from '../../src/campaign/job.ts'
import { type CampaignOutcome, runCampaign } from '../../src/campaign/run.ts'
import { Store } from '../../src/campaign/store.ts'

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-campaign-'))
  after(() => rmSync(folder, { recursive: true }))
  return folder
}

/** An exploration that is split, one that is complete at once, and one that fails. */
export const small = {
  name: 'small',
  jobs: [
    { check: ['fault-munmap'], designs: ['lespinasse-2021'], steps: 150_000 },
    { check: ['refcount'], designs: ['classic'] },
    { check: ['fault-munmap'], designs: ['kamezawa-2009-refcount'], published: true, steps: 50_000 },
  ],
}

/** The folder in which the files of `kinds` lie. */
export const checks = fileURLToPath(new URL('checks', import.meta.url))

/** Every other kind of job: files, mutants, chance, machines from files. */
export const kinds = {
  name: 'kinds',
  jobs: [
    { check: ['lost-update.ts', 'bytes.ts', 'starts.ts', 'register.ts'], steps: 60_000 },
    { check: ['fault-munmap'], designs: ['lespinasse-2021'], steps: 60_000 },
    { check: ['refcount'], designs: ['classic'], strategy: 'pct', executions: 500, seeds: [0, 7] },
    { check: ['./lost-update.ts', 'bytes.ts'], strategy: 'random', executions: 5100 },
    { mutants: ['call-not-taken-back'] },
    {
      simulate: ['mmap1'],
      machines: ['./machine.json', 'machine.ts', 'here'],
      designs: ['classic'],
      cpus: [2],
      effort: 0.05,
    },
  ],
}

export const simulations = {
  name: 'simulations',
  jobs: [{ simulate: ['mmap1'], machines: ['here'], cpus: [1, 2], designs: ['classic'], effort: 0.1 }],
}

/** Files that are named lie in `folder`. */
export async function jobsOf(campaign: unknown, folder = '.'): Promise<readonly Job[]> {
  return (await expandCampaign(campaign, join(folder, 'campaign.json'))).jobs
}

/** Runs the jobs with an executor that is then closed. */
export async function runWith(
  executor: Executor,
  jobs: readonly Job[],
  store: Store = Store.open(null),
): Promise<CampaignOutcome> {
  try {
    return await runCampaign(jobs, { executor, store })
  } finally {
    await executor.close()
    store.close()
  }
}

/** Results as text, without the times. */
export function textOf(results: readonly JobResult[]): string {
  return results.map(({ key, job, result }) => `${JSON.stringify({ key, job, result })}\n`).join('')
}

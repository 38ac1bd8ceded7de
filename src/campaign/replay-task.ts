// A task that is one recording, replayed under one design.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mergeRepetitions } from '../report/replay-report.ts'
import { importTrace, replayTrace } from '../trace/index.ts'
import type { ReplayJob, ReplayJobResult } from './job.ts'

/** Another file lies where the recording was when the campaign began, on this machine. */
class RecordingDiffers extends Error {
  override readonly name = 'RecordingDiffers'
}

export async function replayOne({ trace: path, content, ...job }: ReplayJob): Promise<ReplayJobResult> {
  if (createHash('sha256').update(readFileSync(path)).digest('hex') !== content)
    throw new RecordingDiffers(`${path} is not the recording that the campaign is about`)
  const trace = await importTrace(path, { process: 'all' })
  try {
    const { design, rwsem, rss, threads, repeat } = job
    const runs = []
    let replayThreads = 0
    for (let repetition = 0; repetition < repeat; repetition++) {
      const run = await replayTrace(trace, { design, rwsem, rss, ...(threads !== null && { threads }) })
      replayThreads = run.threads
      runs.push(run)
    }
    const { design: _design, rwsem: _rwsem, ...result } = mergeRepetitions(runs, replayThreads)
    return { ...result, replayThreads }
  } finally {
    trace.close()
  }
}

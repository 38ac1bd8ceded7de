// A worker thread that explores units of a program, which it loads for itself.

import { parentPort, workerData } from 'node:worker_threads'
import {
  CountRead,
  ScriptNeeded,
  type ScriptRequest,
  TimeUp,
  setCounting,
  setDeadline,
  setTurns,
} from '../backends/stepped/index.ts'
import { Coverage } from './coverage.ts'
import type { ExploreOptions } from './explore.ts'
import type { WorkUnit } from './explorer.ts'
import { type Target, prepare } from './prepare.ts'
import { setTimeouts } from './passing-time.ts'
import { type UnitResult, UnitRunner, deadlineAfter } from './work.ts'

export interface WorkerData {
  readonly target: Target
  readonly options: ExploreOptions
  /** It tells what is come to. */
  readonly isCovered: boolean
}

export type WorkerReply =
  | { readonly result: UnitResult }
  | {
      readonly result: null
      readonly name: string
      readonly problem: string
      /** Where it is that. */
      readonly timeUp: Pick<TimeUp, 'file' | 'line' | 'source' | 'thread'> | null
      /** What has to be part of the program. */
      readonly script: ScriptRequest | null
    }

interface Request {
  readonly unit: WorkUnit
  readonly maxExecutions: number
  readonly maxMs: number
}

// What the program prints is no part of what a command prints.
Object.assign(console, { _stdout: process.stderr })

const { target, options, isCovered } = workerData as WorkerData
setDeadline(deadlineAfter(options.maxMs))
if (options.turns !== undefined) setTurns(options.turns)
if (options.timeouts !== undefined) setTimeouts(options.timeouts)
const { subject, sites } = await prepare(target, false)
setDeadline(deadlineAfter(options.maxMs))
setCounting(options.counting ?? [])
const coverage = isCovered ? new Coverage(sites) : null
const runner = new UnitRunner(subject, { ...options, coverage })

parentPort!.on('message', ({ unit, maxExecutions, maxMs }: Request) => {
  let reply: WorkerReply
  try {
    reply = { result: runner.run(unit, { maxExecutions, maxMs }) }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    const problem = error instanceof CountRead ? error.field : message
    const timeUp =
      error instanceof TimeUp
        ? { file: error.file, line: error.line, source: error.source, thread: error.thread }
        : null
    const script = error instanceof ScriptNeeded ? error.request : null
    reply = { result: null, name, problem, timeUp, script }
  }
  parentPort!.postMessage(reply)
})

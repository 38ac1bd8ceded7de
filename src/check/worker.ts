// A worker thread that explores units of a program, which it loads for itself.

import { parentPort, workerData } from 'node:worker_threads'
import type { ExploreOptions } from './explore.ts'
import type { WorkUnit } from './explorer.ts'
import { type Target, prepare } from './prepare.ts'
import { type UnitResult, UnitRunner } from './work.ts'

export interface WorkerData {
  readonly target: Target
  readonly options: ExploreOptions
}

export type WorkerReply =
  { readonly result: UnitResult } | { readonly result: null; readonly name: string; readonly problem: string }

interface Request {
  readonly unit: WorkUnit
  readonly maxExecutions: number
  readonly maxMs: number
}

const { target, options } = workerData as WorkerData
const { subject } = await prepare(target, false)
const runner = new UnitRunner(subject, options)

parentPort!.on('message', ({ unit, maxExecutions, maxMs }: Request) => {
  let reply: WorkerReply
  try {
    reply = { result: runner.run(unit, { maxExecutions, maxMs }) }
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error))
    reply = { result: null, name, problem: message }
  }
  parentPort!.postMessage(reply)
})

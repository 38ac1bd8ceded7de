// One run of bench/files.ts in one of the ways: starts the threads, lets them go at once, and takes the time. Called
// with a task as JSON, it makes that run in a process of its own, for a package that another Node than ours can load.

import { readFileSync, writeFileSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { type FilesTask, FINISHED, READY, STARTED } from './files-task.ts'

/** What all threads of a run have in common. */
export type FilesRun = Omit<FilesTask, 'thread' | 'versions' | 'control'>

export interface FilesResult {
  readonly blocksPerSecond: number
  /** From the end of the accesses until everything is safe on disk. */
  readonly syncMs: number
  /** What the processors were busy with the accesses, of all threads of this process, for each access. */
  readonly cpuNanoseconds: number
  /** Reads that did not find what had been written. */
  readonly wrong: number
  /** How often each block was written. */
  readonly versions: Uint32Array
}

/** Waits until `control[word]` is `value`, while this thread hears of workers that fail. */
async function until(control: Int32Array, word: number, value: number): Promise<void> {
  for (;;) {
    const seen = Atomics.load(control, word)
    if (seen === value) return
    const wait = Atomics.waitAsync(control, word, seen)
    if (wait.async) await wait.value
  }
}

/** @param sync makes safe what the threads have not, when they have finished */
export async function runFiles(run: FilesRun, sync: () => void): Promise<FilesResult> {
  const { blocks, threads, operations } = run
  const versions = new Uint32Array(new SharedArrayBuffer(4 * blocks))
  const control = new Int32Array(new SharedArrayBuffer(64))
  // This module under another name has its worker beside it under another name.
  const script = new URL(import.meta.url.replace('files-run', 'files-worker'))
  const workers = Array.from({ length: threads }, (_, thread) => {
    const task: FilesTask = { ...run, thread, versions, control }
    return new Worker(script, { workerData: task })
  })
  const failed = new Promise<never>((_, reject) => workers.forEach((worker) => worker.on('error', reject)))
  failed.catch(() => {})
  const answers = workers.map((worker) => new Promise<number>((resolve) => worker.once('message', resolve)))
  const exits = workers.map((worker) => new Promise<void>((resolve) => worker.once('exit', () => resolve())))
  await Promise.race([until(control, READY, threads), failed])
  const start = performance.now()
  const cpuBefore = process.cpuUsage()
  Atomics.store(control, STARTED, 1)
  Atomics.notify(control, STARTED)
  await Promise.race([until(control, FINISHED, threads), failed])
  const worked = performance.now()
  const cpu = process.cpuUsage(cpuBefore)
  sync()
  await Promise.race([Promise.all(exits), failed])
  const synchronised = performance.now()
  let wrong = 0
  for (const answer of answers) wrong += await answer
  return {
    blocksPerSecond: (threads * operations * 1000) / (worked - start),
    syncMs: synchronised - worked,
    cpuNanoseconds: (1000 * (cpu.user + cpu.system)) / (threads * operations),
    wrong,
    versions,
  }
}

const [argument] = process.argv.slice(2)
if (argument?.endsWith('.json') === true) {
  const run = JSON.parse(readFileSync(argument, 'utf8')) as FilesRun
  const { versions, ...result } = await runFiles(run, () => {})
  writeFileSync(argument, JSON.stringify({ ...result, versions: [...versions] }))
}

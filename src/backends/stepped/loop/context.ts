// What each thread of a process has for itself: the instances of its modules, `process`, and what worker_threads tells
// it. It is in its event loop.

import { type EventLoop, host } from './host.ts'

/** An instance of a module. */
export interface Instance {
  /** What others import. */
  readonly namespace: Record<string, unknown>
  /** Of a CommonJS module. */
  readonly module: { exports: unknown }
  state: 'new' | 'running' | 'done' | 'failed'
  error: unknown
  /** While it waits at its top. */
  promise: unknown
}

export interface Context {
  readonly instances: Map<string, Instance>
  readonly environmentData: Map<unknown, unknown>
  readonly process: object
  /** What it has of node:worker_threads. */
  readonly workerThreads: object
  readonly argv: readonly string[]
  readonly execArgv: readonly string[]
  readonly env: object
  /** The address of its script. */
  main?: string
  /** Ends the thread, or the process of a main one. */
  readonly exit: (code: unknown) => unknown
}

/** That of the thread that runs, or of the one with this loop. */
export function contextOf(loop: EventLoop = host.loop()): Context {
  loop.context ??= loop.makeContext!()
  return loop.context as Context
}

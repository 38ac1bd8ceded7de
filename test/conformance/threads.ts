// The other threads of the Faultline side: workers that perform one request at a time while this thread waits.

import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { AddressSpace, DiskFile, Machine, MemoryFile } from '../../src/memory.ts'
import type { Step } from './operations.ts'
import type { Half, Result, Setting } from './world.ts'

export type Request =
  | {
      readonly kind: 'step'
      readonly space: AddressSpace['handle']
      readonly files: readonly (DiskFile | MemoryFile)['handle'][]
      readonly setting: Setting
      readonly step: Step
    }
  | { readonly kind: 'fork'; readonly space: AddressSpace['handle'] }
  | { readonly kind: 'half'; readonly space: AddressSpace['handle']; readonly half: Half }
  | { readonly kind: 'leave'; readonly spaces: readonly AddressSpace['handle'][] }
  | { readonly kind: 'detach'; readonly machine: string }

export type Reply =
  | { readonly kind: 'result'; readonly result: Result }
  | { readonly kind: 'forked'; readonly space: AddressSpace['handle'] }
  | { readonly kind: 'done' }
  | { readonly kind: 'error'; readonly stack: string }

/** Words that both threads wait on: how many requests and replies there have been. */
export const REQUESTS = 0
export const REPLIES = 1

export interface WorkerData {
  readonly port: MessagePort
  readonly counts: Int32Array
}

/** In which a thread has answered; a request takes microseconds. */
const PATIENCE_MS = 60_000

/** A worker thread that performs what it is asked to. */
export class Helper {
  readonly #port: MessagePort
  readonly #counts = new Int32Array(new SharedArrayBuffer(8))

  constructor() {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: WorkerData = { port: port2, counts: this.#counts }
    new Worker(new URL('thread-worker.ts', import.meta.url), { workerData, transferList: [port2] }).unref()
    port1.unref()
  }

  /** Has the request performed and waits for it. */
  ask(request: Request): Reply {
    this.begin(request)
    return this.finish()
  }

  begin(request: Request): void {
    this.#port.postMessage(request)
    Atomics.add(this.#counts, REQUESTS, 1)
    Atomics.notify(this.#counts, REQUESTS)
  }

  /** Waits for the reply to the request that was begun. */
  finish(): Reply {
    const asked = Atomics.load(this.#counts, REQUESTS)
    for (let got = asked - 1; got !== asked; got = Atomics.load(this.#counts, REPLIES)) {
      if (Atomics.wait(this.#counts, REPLIES, asked - 1, PATIENCE_MS) === 'timed-out')
        throw new Error('a thread of the conformance suite does not answer')
    }
    const reply = receiveMessageOnPort(this.#port)!.message as Reply
    if (reply.kind === 'error') throw new Error(`in another thread: ${reply.stack}`)
    return reply
  }
}

const helpers: Helper[] = []

/** The thread of that number, from 1 on. All machines share them. */
export function helper(number: number): Helper {
  return (helpers[number] ??= new Helper())
}

/** Has every thread give up its place on the machine, if it has one. */
export function detachHelpers(machine: Machine): void {
  for (const each of helpers) each?.ask({ kind: 'detach', machine: machine.handle.id })
}

// What tests of several threads share: threads that perform a scenario of thread-worker.ts, and waiting for them.

import assert from 'node:assert/strict'
import { Worker } from 'node:worker_threads'
import { type AddressSpace, Machine, type MachineOptions } from '../../src/memory.ts'
import { counterProblem } from '../stress/stress.ts'
import { ARENA, inUse } from './support.ts'
import type { ScenarioData } from './thread-worker.ts'

const END = 1
export const STATE = 2
/** How often the threads have seen the one stable state, and the other. */
const SEEN = 3
const SEEN_OTHER = 4
/** How long a thread may take to answer before it counts as hanging, in milliseconds. */
const PATIENCE = 60_000

interface Message {
  readonly result?: unknown
  readonly error?: { readonly name: string; readonly message: string; readonly stack: string }
}

/** Threads that have done their scenario and left its machine: to start one costs more than most scenarios. */
const idle: Worker[] = []

/** Another thread, at work at one scenario. */
export class Thread {
  readonly worker: Worker
  readonly result: Promise<unknown>
  /** The thread has ended, or left the machine. */
  readonly exited: Promise<void>

  /** With `mortal`, a thread of its own, which ends with the scenario and has left the machine only by that. */
  constructor(
    space: AddressSpace,
    data: Partial<ScenarioData> & { scenario: string; control: Int32Array },
    mortal = false,
  ) {
    const known = mortal ? undefined : idle.pop()
    const worker = known ?? new Worker(new URL('./thread-worker.ts', import.meta.url), { workerData: mortal })
    this.worker = worker
    worker.ref()
    const left = Promise.withResolvers<void>()
    const done = Promise.withResolvers<unknown>()
    const hear = ({ result, error }: Message): void => {
      if (error === undefined) done.resolve(result)
      else {
        const { name, message, stack } = error
        done.reject(Object.assign(new Error(`${message}\n${stack}`), { name }))
      }
      if (!mortal) comeBack()
    }
    const comeBack = (): void => {
      worker.off('message', hear).off('error', done.reject).off('exit', left.resolve)
      worker.unref()
      idle.push(worker)
      left.resolve()
    }
    worker.on('message', hear).on('error', done.reject).on('exit', left.resolve)
    this.result = done.promise
    this.result.catch(() => {})
    this.exited = left.promise
    worker.postMessage({ handle: space.handle, address: ARENA, pages: 4, thread: 0, seed: 1, ...data })
  }
}

export function makeControl(words = 32): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * words))
}

/** Waits, without blocking this thread's events, until `count` threads are at work. */
export async function untilReady(control: Int32Array, count: number): Promise<void> {
  for (;;) {
    const seen = Atomics.load(control, 0)
    if (seen >= count) return
    const wait = Atomics.waitAsync(control, 0, seen, PATIENCE)
    if ((await wait.value) === 'timed-out') assert.fail('the threads do not come to work')
  }
}

export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`hangs: ${what}`)), PATIENCE)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Ends the scenarios and returns what the threads saw. */
export async function finish<T>(threads: Thread[], control: Int32Array): Promise<T[]> {
  Atomics.store(control, END, 1)
  Atomics.notify(control, END)
  const results = (await within(
    Promise.all(threads.map(({ result }) => result)),
    'the end of the scenario',
  )) as T[]
  await within(Promise.all(threads.map(({ exited }) => exited)), 'the exit of the threads')
  return results
}

export async function withThreads(
  options: Partial<MachineOptions>,
  body: (space: AddressSpace, machine: Machine) => Promise<void>,
): Promise<void> {
  const machine = Machine.create({ memory: '16MiB', cpus: 4, ...options })
  const before = inUse(machine)
  const space = machine.createAddressSpace()
  await body(space, machine)
  space.destroy()
  assert.deepEqual(inUse(machine), before)
  assert.equal(counterProblem(machine.counters()), null)
  machine.detach()
}

/** Whether another round is due: until the other threads have seen enough of every state. */
export function more(control: Int32Array, round: number): boolean {
  if (round < 1000) return true
  if (Atomics.load(control, SEEN) >= 50 && Atomics.load(control, SEEN_OTHER) >= 50) return false
  if (round > 10_000_000) assert.fail('the other threads see nothing')
  return true
}

/** Lets the other threads have a look: for some time in most rounds, for long in a few. */
export function pause(round: number): void {
  for (let turn = (round * 7) % 64 === 0 ? 5000 : round % 50; turn > 0; turn--) Atomics.pause()
}

// Waiting for the flusher without blocking: what msyncAsync() does until the pages are on disk.

import { PerCpu } from '../../kernel/index.ts'
import type { MachineThread } from './machine-thread.ts'

/** How often is looked whether the flusher is there still. */
const LOOK_MS = 100
/** How long one that was just started is waited for: a thread takes some dozens of milliseconds to begin. */
const START_LOOKS = 100

/** A CPU asks for one thing at a time: the last that each thread waits for. */
const queues = new WeakMap<MachineThread, Promise<unknown>>()

/**
 * Has the flusher do what `request` asks for, which returns the ticket, after what this thread has asked for before.
 * Returns whether it has: not where there is none, or it has ended. Throws what `request` throws, CpuLostError, and
 * ConfigurationError where this thread has detached.
 */
export function byFlusher(thread: MachineThread, request: () => number): Promise<boolean> {
  const own = (queues.get(thread) ?? Promise.resolve()).then(() => waitForFlusher(thread, request))
  queues.set(
    thread,
    own.catch(() => false),
  )
  return own
}

async function waitForFlusher(thread: MachineThread, request: () => number): Promise<boolean> {
  if (thread.flusherState() === 'absent') return false
  const { heap, base } = thread.task
  const done = base + PerCpu.syncDone
  const ticket = request()
  for (let looks = 0; ; looks++) {
    thread.assertSound()
    const seen = Atomics.load(heap, done)
    if (seen === ticket) return true
    const state = thread.flusherState()
    if (state === 'absent' || (state === 'coming' && looks >= START_LOOKS)) return false
    await changed(heap, done, seen)
  }
}

/** Waits until somebody notifies of the word, or it is time to look. A timer, so that the process does not end. */
async function changed(heap: Int32Array, word: number, seen: number): Promise<void> {
  const { async, value } = Atomics.waitAsync(heap, word, seen)
  if (!async) return
  let timer: NodeJS.Timeout | undefined
  const look = new Promise<void>((resolve) => (timer = setTimeout(resolve, LOOK_MS)))
  await Promise.race([value, look])
  clearTimeout(timer)
}

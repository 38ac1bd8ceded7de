// Waiting for the flusher without blocking: what msyncAsync() does until the pages are on disk.

import { PerCpu } from '../../kernel/index.ts'
import type { MachineThread } from './machine-thread.ts'

/** How often a thread looks whether the flusher is still attached, in milliseconds. */
const LOOK_MS = 100
/**
 * How long a thread waits for a flusher that was just started, in milliseconds: a thread takes some dozens to begin.
 */
const START_LOOKS = 100

/** The last request of each thread, since a CPU makes one at a time. */
const queues = new WeakMap<MachineThread, Promise<unknown>>()

/**
 * Makes a request to the flusher with `request`, which returns the ticket, after this thread's earlier requests are
 * done, and waits for it. Returns false if there is no flusher, or it has ended. Throws what `request` throws,
 * CpuLostError, and ConfigurationError where this thread has detached.
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

/** Waits until a thread notifies the word, or it is time to look. The timer keeps the process from ending. */
async function changed(heap: Int32Array, word: number, seen: number): Promise<void> {
  const { async, value } = Atomics.waitAsync(heap, word, seen)
  if (!async) return
  let timer: NodeJS.Timeout | undefined
  const look = new Promise<void>((resolve) => (timer = setTimeout(resolve, LOOK_MS)))
  await Promise.race([value, look])
  clearTimeout(timer)
}

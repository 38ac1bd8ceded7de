// The flusher of a machine (kernel/cache/flusher.ts): a worker thread that writes files back while programs compute.
//
// It has a CPU of its own, and sleeps outside the kernel. It leaves when the last thread leaves the machine, and ends
// with the thread that made the machine; after that, the machine works as if there had been none.

import { Worker } from 'node:worker_threads'
import {
  CpuLostError,
  FLUSHER_STOP,
  FLUSHER_WORK,
  Header,
  type Task,
  advanceWriteback,
  beginWriteback,
  isOverBackground,
  serveSync,
  writeBackSome,
} from '../../kernel/index.ts'
import type { MachineHandle } from './handles.ts'
import { MachineThread } from './machine-thread.ts'
import { checkStorage } from './storage.ts'

export interface FlusherTask {
  readonly machine: MachineHandle
  /** How long a period is. */
  readonly dirtyWritebackMs: number
  /** A module whose default export is the storage of the thread; null for the file system. */
  readonly storage: string | null
}

/** Starts the flusher from `thread`. The process does not wait for it; if it cannot start, a warning says so. */
export function startFlusher(thread: MachineThread, task: FlusherTask): void {
  // No template literal: bundlers would try to resolve it.
  // Not in one expression: webpack would take the whole folder for assets.
  const here = import.meta.url
  const file = here.endsWith('.ts') ? './flusher-worker.ts' : './flusher-worker.js'
  const worker = new Worker(new URL(file, here), { workerData: task })
  worker.unref()
  // It ends with this thread, perhaps before it has attached.
  const mayNotCome = (): void => void Atomics.store(thread.task.heap, Header.flusherCame, 1)
  thread.onDetach(mayNotCome)
  worker.once('error', (error) => {
    mayNotCome()
    process.emitWarning(`files are not written back in the background: ${String(error)}`, {
      type: 'FaultlineWarning',
      code: 'FAULTLINE_FLUSHER',
    })
  })
}

/** The body of the flusher's thread, which has the storage `own`; null: the file system. */
export function runFlusher({ machine, dirtyWritebackMs }: FlusherTask, own: unknown): void {
  if (own !== null) checkStorage(own)
  const thread = MachineThread.attachFlusher(machine)
  if (own !== null) thread.files.storage = own
  try {
    flush(thread, dirtyWritebackMs)
  } catch (error) {
    // The threads that use the machine get the error.
    if (!(error instanceof CpuLostError)) throw error
  } finally {
    thread.detach({ discard: true })
  }
}

function flush(thread: MachineThread, periodMs: number): void {
  const { heap } = thread.task
  let next = performance.now() + periodMs
  while (Atomics.load(heap, Header.flusherWake) !== FLUSHER_STOP) {
    const left = next - performance.now()
    if (left > 0 && Atomics.wait(heap, Header.flusherWake, 0, left) !== 'timed-out') {
      Atomics.compareExchange(heap, Header.flusherWake, FLUSHER_WORK, 0)
    } else {
      next = performance.now() + periodMs
      if (thread.isAlone()) return
      thread.enter('writeback', advanceWriteback)
    }
    flushOnce(thread)
  }
}

/** Writes what is due, a part at a time, so that the thread can be stopped in between. */
function flushOnce(thread: MachineThread): void {
  const { heap } = thread.task
  serveSyncs(thread)
  const all = isOverBackground(thread.task)
  thread.enter('writeback', (task) => beginWriteback(task, all))
  const some = (task: Task): boolean => writeBackSome(task, all)
  while (Atomics.load(heap, Header.flusherWake) !== FLUSHER_STOP && thread.enter('writeback', some))
    serveSyncs(thread)
}

function serveSyncs(thread: MachineThread): void {
  const { task } = thread
  for (let id = 0; id < task.cpuCount; id++) thread.enter('msync', () => serveSync(task, id))
}

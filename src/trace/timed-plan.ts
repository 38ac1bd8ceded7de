// A plan of a recording for who performs it in virtual time: a lane for each thread that ran at once with others, with
// all that it does and what passes before each operation, in memory.
import { TraceError } from './errors.ts'
import type { ImportedTrace } from './imported-trace.ts'
import { busyThreads } from './lanes.ts'
import { OpStore, type WordStreamHandle, readChunks } from './op-store.ts'
import { planReplay } from './plan.ts'
import type { ReplayPlan } from './plan-types.ts'
import { type OperationTimes, readTimes } from './recorded-times.ts'

/** Lanes at most: a simulated machine knows as many threads. */
const LANES_MAX = 256

export interface TimedPlan extends ReplayPlan {
  /** Operations of each lane, see operations.ts, and what passes before each. */
  readonly lanes: readonly { readonly words: Int32Array; readonly times: OperationTimes }[]
}

/**
 * Plans the simulation of a recording that was imported with `isTimed`.
 * @throws TraceError where more threads ran at once than can be simulated, or the addresses cannot be had
 */
export function planRecording(trace: ImportedTrace): TimedPlan {
  const lanes = busyThreads(trace.seats)
  if (lanes > LANES_MAX)
    throw new TraceError(
      'limit',
      trace.path,
      undefined,
      `${lanes} threads ran at once`,
      `${LANES_MAX} can be simulated; choose a process with --process.`,
    )
  const store = new OpStore(trace.path, trace.memoryLimit, trace.temporaryDirectory)
  try {
    const plan = planReplay(trace.path, trace, Math.max(1, lanes), store)
    return {
      ...plan,
      lanes: plan.streams.map((stream, lane) => ({
        words: wordsOf(stream),
        times: readTimes(plan.times[lane]!, plan.operations[lane]!),
      })),
    }
  } finally {
    store.close()
  }
}

function wordsOf(stream: WordStreamHandle): Int32Array {
  const words = new Int32Array(stream.chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of readChunks(stream)) {
    words.set(chunk.words.subarray(0, chunk.length), at)
    at += chunk.length
  }
  return words
}

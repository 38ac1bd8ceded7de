// The thread of the calls of check(): explores what each is given, one after the other, and tells what it found.

import { parentPort } from 'node:worker_threads'
import type { CheckOptions, CheckResult } from './check-result.ts'
import { checkInline } from './check.ts'
import type { Progress } from './explore.ts'
import { type ErrorData, errorData } from './error-data.ts'
import type { Target } from './target.ts'

export interface InlineRequest {
  readonly id: number
  readonly target: Target
  readonly options: CheckOptions
  /** A token; what it is not for is checked as without it. */
  readonly replay: string | null
}

export type InlineReply =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'result'; readonly result: CheckResult }
  | { readonly kind: 'error'; readonly error: ErrorData }

async function answer(
  { target, options, replay }: InlineRequest,
  send: (reply: InlineReply) => void,
): Promise<void> {
  try {
    const onProgress = (progress: Progress): void => send({ kind: 'progress', progress })
    send({ kind: 'result', result: await checkInline(target, { ...options, onProgress }, replay) })
  } catch (error) {
    send({ kind: 'error', error: errorData(error) })
  }
}

// What the file prints, it prints in the thread that asks, too. Node keeps a process going for as long as it is sent
// what a thread prints.
const discard = (...given: readonly unknown[]): boolean => {
  const written = given.at(-1)
  if (typeof written === 'function') queueMicrotask(() => written())
  return true
}
process.stdout.write = discard
process.stderr.write = discard

parentPort!.on('message', (request: InlineRequest) => {
  void answer(request, (reply) => parentPort!.postMessage({ id: request.id, ...reply }))
})

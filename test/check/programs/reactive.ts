// Threads that send when they are sent something, as lists say: see events.test.ts.

import type { EventState } from './events.ts'

export type ReactiveStep =
  | readonly ['load', cell: number]
  | readonly ['store', cell: number, value: number]
  | readonly ['send', to: number]
  | readonly ['timer']

/** What a thread does first, and what it does when it gets its first message, its second and so on. */
export type Reactions = readonly (readonly ReactiveStep[])[]

export function react({ cells, listened, logs }: EventState, id: number, reactions: Reactions): void {
  const log = logs[id]!
  let received = 0
  const run = (steps: readonly ReactiveStep[]): void => {
    for (const step of steps) {
      if (step[0] === 'load') log.push(Atomics.load(cells, step[1]))
      else if (step[0] === 'store') Atomics.store(cells, step[1], step[2])
      else if (step[0] === 'send') listened[id]![step[1]]![0].postMessage(0)
      else setTimeout(() => log.push('timer'), 1)
    }
  }
  for (const from of listened.keys())
    listened[from]![id]![1].on('message', () => {
      log.push(`from ${from}`)
      run(reactions[++received] ?? [])
    })
  run(reactions[0] ?? [])
}

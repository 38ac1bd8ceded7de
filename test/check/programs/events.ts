// Threads that do what lists say, with their event loops: see events.test.ts.

import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads'

export type EventStep =
  | readonly ['load', cell: number]
  | readonly ['store', cell: number, value: number]
  /** To a port at which that thread listens. */
  | readonly ['send', to: number, value: number]
  /** To a port at which that thread only looks, with 'receive'. */
  | readonly ['post', to: number, value: number]
  | readonly ['receive', from: number]
  | readonly ['timer', delay: number]
  | readonly ['sleep', delay: number]
  | readonly ['waitAsync', cell: number, expected: number, delay: number | null]
  | readonly ['notify', cell: number, count: number]
  | readonly ['job']

export interface EventState {
  readonly cells: Int32Array
  /** Of each pair of threads, the ports of the first and of the second: those with listeners, and the others. */
  readonly listened: readonly (readonly (readonly [MessagePort, MessagePort])[])[]
  readonly looked: readonly (readonly (readonly [MessagePort, MessagePort])[])[]
  readonly logs: (number | string)[][]
}

export function setup(threads: number): EventState {
  const ids = Array.from({ length: threads }, (_, id) => id)
  const channels = (): (readonly [MessagePort, MessagePort])[][] =>
    ids.map(() =>
      ids.map(() => {
        const { port1, port2 } = new MessageChannel()
        return [port1, port2] as const
      }),
    )
  return {
    cells: new Int32Array(new SharedArrayBuffer(8)),
    listened: channels(),
    looked: channels(),
    logs: ids.map(() => []),
  }
}

export async function runList(
  { cells, listened, looked, logs }: EventState,
  id: number,
  list: readonly EventStep[],
): Promise<void> {
  const log = logs[id]!
  for (const from of listened.keys())
    listened[from]![id]![1].on('message', (value: number) => log.push(`message ${from} ${value}`))
  for (const [at, step] of list.entries()) {
    switch (step[0]) {
      case 'load':
        log.push(Atomics.load(cells, step[1]))
        break
      case 'store':
        Atomics.store(cells, step[1], step[2])
        break
      case 'send':
        listened[id]![step[1]]![0].postMessage(step[2])
        break
      case 'post':
        looked[id]![step[1]]![0].postMessage(step[2])
        break
      case 'receive':
        log.push(`received ${receiveMessageOnPort(looked[step[1]]![id]![1])?.message}`)
        break
      case 'timer':
        setTimeout(() => log.push(`timer ${at}`), step[1])
        break
      case 'sleep':
        await new Promise((resolve) => setTimeout(resolve, step[1]))
        log.push(`slept ${at}`)
        break
      case 'waitAsync': {
        const [, cell, expected, delay] = step
        const { async, value } = (Atomics as unknown as { waitAsync: Function }).waitAsync(
          cells,
          cell,
          expected,
          delay ?? undefined,
        )
        if (async) value.then((result: string) => log.push(`waited ${at} ${result}`))
        else log.push(`not async ${value}`)
        break
      }
      case 'notify':
        log.push(`notified ${Atomics.notify(cells, step[1], step[2])}`)
        break
      case 'job':
        void Promise.resolve().then(() => log.push(`job ${at}`))
        break
    }
  }
}

// What a stepped program has of `node:events`: an EventEmitter whose listeners can stop.

import native from 'node:events'
import { Emitter } from './emitter.ts'
import { host } from './host.ts'
import { AsyncResource } from './node-async-hooks.ts'
import { Promise } from './promise.ts'

type Called = (...args: unknown[]) => unknown

/** Called by older code without `new`, on an object that has its prototype. */
function EventEmitter(this: unknown): void {
  // What it has is made when the first listener comes.
}
EventEmitter.prototype = Emitter.prototype

/** A promise of the next event. */
export function once(
  emitter: Pick<Emitter, 'once'> & Partial<Emitter>,
  name: string,
  options: { signal?: unknown } = {},
): unknown {
  if (!host.isThread()) return native.once(emitter as never, name, options as never)
  if (options.signal !== undefined)
    host.refuse('events.once() with a signal', 'listen, and take the listener away')
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      emitter.removeListener?.(name, found)
      reject(error)
    }
    const found = (...args: unknown[]): void => {
      emitter.removeListener?.('error', failed)
      resolve(args)
    }
    emitter.once(name, found)
    if (name !== 'error') emitter.once('error', failed)
  })
}

export function on(emitter: Emitter, name: string): unknown {
  if (host.isThread()) host.refuse('events.on() in a thread', 'listen, and put what comes in a list')
  return native.on(emitter as never, name)
}

export class EventEmitterAsyncResource extends Emitter {
  readonly asyncResource = new AsyncResource('EventEmitterAsyncResource')

  emitDestroy(): void {
    // Nobody watches.
  }
}

const { errorMonitor, captureRejectionSymbol, getEventListeners, setMaxListeners } = native
const listenerCount = (emitter: Emitter, name: string): number => emitter.listenerCount(name)
export {
  EventEmitter,
  captureRejectionSymbol,
  errorMonitor,
  getEventListeners,
  listenerCount,
  setMaxListeners,
}
export const defaultMaxListeners = 10

export default Object.assign(EventEmitter as unknown as Called, {
  EventEmitter,
  EventEmitterAsyncResource,
  captureRejectionSymbol,
  defaultMaxListeners,
  errorMonitor,
  getEventListeners,
  listenerCount,
  on,
  once,
  setMaxListeners,
})

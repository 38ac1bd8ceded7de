// What a thread has of `node:worker_threads`: what is the same for all, and what is its own.

import * as native from 'node:worker_threads'
import { BroadcastChannel } from './broadcast.ts'
import { untransferable } from './clone.ts'
import { host } from './host.ts'
import { MessageChannel, MessagePort } from './ports.ts'

/** The next message of a port, without waiting. */
export function receiveMessageOnPort(port: unknown): unknown {
  if (port instanceof MessagePort && 'own' in port) return port.take()
  if (host.isThread())
    host.refuse('a port of the engine in a thread', 'make the MessageChannel in the setup, or in a thread')
  return native.receiveMessageOnPort(port as native.MessagePort)
}

export function markAsUntransferable(object: object): void {
  untransferable.add(object)
}

export function isMarkedAsUntransferable(object: object): boolean {
  return untransferable.has(object)
}

export function moveMessagePortToContext(): never {
  return host.refuse('a port in another context', 'use it where it is')
}

export function postMessageToThread(): never {
  return host.refuse('postMessageToThread()', 'send it by a port')
}

/** What no thread has another of. */
export const common = {
  ...native,
  BroadcastChannel,
  MessageChannel,
  MessagePort,
  isMarkedAsUntransferable,
  markAsUntransferable,
  moveMessagePortToContext,
  postMessageToThread,
  receiveMessageOnPort,
}

interface Names {
  readonly parentPort: unknown
  readonly workerData: unknown
  readonly isMainThread: boolean
  readonly threadId: number
  readonly threadName: string
  readonly environmentData: Map<unknown, unknown>
  readonly Worker: unknown
}

export function workerThreadsOf({ environmentData, ...names }: Names): object {
  const getEnvironmentData = (key: unknown): unknown => environmentData.get(key)
  const setEnvironmentData = (key: unknown, value: unknown): void => {
    if (value === undefined) environmentData.delete(key)
    else environmentData.set(key, value)
  }
  const all = Object.assign(Object.create(common) as object, names, {
    getEnvironmentData,
    setEnvironmentData,
    resourceLimits: {},
  })
  return Object.assign(Object.create(all) as object, { default: all })
}

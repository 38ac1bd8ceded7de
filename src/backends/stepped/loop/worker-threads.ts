// What a stepped program has of `node:worker_threads`: what its threads share here is as in a main thread. An instance
// of a module gets that of its thread (see thread-names.ts).

import { BroadcastChannel } from './broadcast.ts'
import { contextOf } from './context.ts'
import { MessageChannel, MessagePort } from './ports.ts'
import {
  common,
  isMarkedAsUntransferable,
  markAsUntransferable,
  moveMessagePortToContext,
  postMessageToThread,
  receiveMessageOnPort,
} from './thread-names.ts'
import { Worker } from './worker.ts'

// What stands here comes before what is there.
export * from 'node:worker_threads'
export { BroadcastChannel, MessageChannel, MessagePort, Worker, receiveMessageOnPort }
export { isMarkedAsUntransferable, markAsUntransferable, moveMessagePortToContext, postMessageToThread }
export const parentPort = null
export const workerData = null
export const isMainThread = true
export const threadId = 0

export function getEnvironmentData(key: unknown): unknown {
  return contextOf().environmentData.get(key)
}

export function setEnvironmentData(key: unknown, value: unknown): void {
  const { environmentData } = contextOf()
  if (value === undefined) environmentData.delete(key)
  else environmentData.set(key, value)
}

export default {
  ...common,
  BroadcastChannel,
  MessageChannel,
  MessagePort,
  Worker,
  getEnvironmentData,
  isMainThread,
  isMarkedAsUntransferable,
  markAsUntransferable,
  moveMessagePortToContext,
  parentPort,
  postMessageToThread,
  receiveMessageOnPort,
  setEnvironmentData,
  threadId,
  workerData,
}

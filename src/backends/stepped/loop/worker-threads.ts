// What a stepped program has of `node:worker_threads`.

import * as native from 'node:worker_threads'
import { host } from './host.ts'
import { MessageChannel, MessagePort } from './ports.ts'

// What stands here comes before what is there.
export * from 'node:worker_threads'
export { MessageChannel, MessagePort }

/** The next message of a port, without waiting. */
export function receiveMessageOnPort(port: unknown): unknown {
  if (port instanceof MessagePort && 'own' in port) return port.take()
  if (host.isThread())
    host.refuse('a port of the engine in a thread', 'make the MessageChannel in the setup, or in a thread')
  return native.receiveMessageOnPort(port as native.MessagePort)
}

export default {
  ...native,
  MessageChannel,
  MessagePort,
  receiveMessageOnPort,
}

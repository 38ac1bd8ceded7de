// A thread of the Faultline side of the conformance suite, see threads.ts.

import { receiveMessageOnPort, workerData } from 'node:worker_threads'
import { AddressSpace, DiskFile, type Machine, MemoryFile } from '../../src/memory.ts'
import { perform, workHalf } from './operations.ts'
import { type Reply, REPLIES, type Request, REQUESTS, type WorkerData } from './threads.ts'
import { type Processes, resultOf, worldOf } from './world.ts'

const { port, counts } = workerData as WorkerData
const machines = new Map<string, Machine>()

function attach(handle: AddressSpace['handle']): AddressSpace {
  const space = AddressSpace.attach(handle)
  machines.set(handle.machine.id, space.machine)
  return space
}

function notHere(): never {
  throw new Error('who goes on is said by the first thread')
}

const processes: Processes = {
  fork: notHere,
  exit: notHere,
  choose: notHere,
  thread: notHere,
  together: notHere,
}

function replyTo(request: Request): Reply {
  switch (request.kind) {
    case 'step': {
      const files = request.files.map((handle) =>
        handle.kind === 'faultline-file' ? MemoryFile.attach(handle) : DiskFile.attach(handle),
      )
      const world = worldOf(attach(request.space), files, request.setting, processes)
      const result = resultOf(world, () => perform(world, request.step))
      return { kind: 'result', result }
    }
    case 'fork':
      return { kind: 'forked', space: attach(request.space).fork().handle }
    case 'half':
      workHalf(attach(request.space), request.half)
      return { kind: 'done' }
    case 'leave':
      for (const handle of request.spaces) attach(handle).leave()
      return { kind: 'done' }
    case 'detach':
      machines.get(request.machine)?.detach()
      machines.delete(request.machine)
      return { kind: 'done' }
  }
}

// Thousands of signals are thrown as errors whose stack nobody reads.
Error.stackTraceLimit = 0
for (let done = 0; ; done++) {
  // Asked again: the wake-up for the request before may come only now, where its sender was held up before it.
  while (Atomics.load(counts, REQUESTS) === done) Atomics.wait(counts, REQUESTS, done)
  let reply: Reply
  try {
    reply = replyTo(receiveMessageOnPort(port)!.message as Request)
  } catch (error) {
    reply = { kind: 'error', stack: String((error as Error).stack ?? error) }
  }
  port.postMessage(reply)
  Atomics.add(counts, REPLIES, 1)
  Atomics.notify(counts, REPLIES)
}

// A program whose main thread and Workers do what lists say: see programs.test.ts. `note` is told what each has seen.

import {
  BroadcastChannel,
  MessageChannel,
  Worker,
  isMainThread,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads'
import { setTimeout as delay } from 'node:timers/promises'

/** What a thread of the program has. */
const own = isMainThread
  ? { id: 0, lists: program, cells: new Int32Array(new SharedArrayBuffer(8)), peers: [] }
  : workerData
const { id, lists, cells, peers } = own
const workers = []
let channel = null
const controller = new AbortController()

const log = (...told) => note(id, told.join(' '))

function listening(broadcast) {
  broadcast.addEventListener('message', ({ data }) => log('cast', data))
  return broadcast
}

function start(to) {
  const workerPeers = peers.splice(0, 1)
  const data = { id: to, lists, cells, peers: workerPeers }
  const worker = new Worker(new URL(import.meta.url), {
    workerData: data,
    transferList: workerPeers,
    execArgv: globalThis.flags,
  })
  workers[to] = worker
  worker.on('exit', (code) => log('exit', to, code))
  worker.on('error', ({ message }) => log('error', to, message))
  return worker
}

async function perform([kind, one, two, three]) {
  switch (kind) {
    case 'load':
      return log('load', Atomics.load(cells, one))
    case 'store':
      Atomics.store(cells, one, two)
      return
    case 'add':
      return log('add', Atomics.add(cells, one, 1))
    case 'count':
      Atomics.add(cells, one, 1)
      return
    case 'cas':
      return log('cas', Atomics.compareExchange(cells, one, two, three))
    case 'wait':
      return log('wait', Atomics.wait(cells, one, two, three ?? undefined))
    case 'notify':
      return log('notify', Atomics.notify(cells, one, two))
    case 'waitAsync': {
      const { async, value } = Atomics.waitAsync(cells, one, two, three ?? undefined)
      if (async) value.then((result) => log('waited', result))
      else log('waitAsync', value)
      return
    }
    case 'awaitAsync': {
      // Atomics.waitAsync keeps no thread.
      const { port1 } = new MessageChannel()
      port1.on('message', () => {})
      const { async, value } = Atomics.waitAsync(cells, one, two, three ?? undefined)
      log('awaited', async ? await value : value)
      port1.close()
      return
    }
    case 'forgotten':
      return log('awaited', await Atomics.waitAsync(cells, one, 0).value)
    case 'tick':
      await Promise.resolve()
      return log('tick')
    case 'sleep':
      await delay(one)
      return log('slept')
    case 'timer':
      setTimeout(() => log('timer', Atomics.load(cells, 0)), one)
      return
    case 'immediate':
      setImmediate(() => log('immediate', Atomics.load(cells, 0)))
      return
    case 'signalled':
      await delay(one, null, { signal: controller.signal }).then(
        () => log('slept'),
        ({ name }) => log(name),
      )
      return
    case 'abort':
      controller.abort()
      return
    case 'abortLater':
      setTimeout(() => controller.abort(), one)
      return
    case 'due':
      AbortSignal.timeout(one).addEventListener('abort', () => log('due'))
      return
    case 'start':
      start(one).on('message', (value) => log('message', one, value))
      return
    case 'startOnce':
      start(one).once('message', (value) => log('message', one, value))
      return
    case 'startOnline':
      start(one).on('online', () => log('online', one))
      return
    case 'startDeaf':
      start(one)
      return
    case 'terminate':
      workers[one]?.terminate()
      return
    case 'terminated':
      return log('terminated', await workers[one]?.terminate())
    case 'send':
      if (id === 0) workers[one]?.postMessage(two)
      else parentPort.postMessage(two)
      return
    case 'listen':
      parentPort?.on('message', (value) => log('message', value))
      return
    case 'once':
      parentPort?.once('message', (value) => {
        log('message', value)
      })
      return
    case 'answer':
      parentPort?.once('message', (value) => {
        log('message', value)
        parentPort.postMessage(value + 1)
      })
      return
    case 'deafen':
      parentPort?.removeAllListeners('message')
      return
    case 'close':
      parentPort?.close()
      return
    case 'exit':
      if (id !== 0) process.exit(one)
      return
    case 'throw':
      if (id !== 0) throw new Error('thrown')
      return
    case 'channel':
      if (id === 0) {
        const { port1, port2 } = new MessageChannel()
        peers.push(port1, port2)
      }
      return
    case 'peer':
      peers[0]?.postMessage(one)
      return
    case 'receive':
      if (peers[0]) log('received', receiveMessageOnPort(peers[0])?.message)
      return
    case 'hear':
      peers[0]?.on('message', (value) => log('heard', value))
      return
    case 'shut':
      peers[0]?.close()
      return
    case 'join':
      channel ??= listening(new BroadcastChannel('all'))
      return
    case 'cast':
      try {
        channel?.postMessage(one)
      } catch ({ name }) {
        log(name)
      }
      return
    case 'leave':
      channel?.close()
      return
  }
}

async function run() {
  const list = lists[id]
  for (let at = 0; at < list.length; at++) {
    const step = list[at]
    if (step[0] !== 'unless') await perform(step)
    else if (Atomics.load(cells, step[1]) === step[2]) at++
  }
  log('end')
}
await run()

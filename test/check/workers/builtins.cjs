// What stands for a module of Node is one for a thread, however it asks for it, and knows what the thread has.
const events = require('node:events')
const { createRequire } = require('module')
const { Worker, isMainThread, parentPort } = require('node:worker_threads')

const name = ['node:', 'events'].join('')
const { EventEmitter } = events

function listens() {
  const target = new EventTarget()
  events.setMaxListeners(20, target, new EventEmitter())
  target.addEventListener('told', events.once)
  const emitter = new EventEmitter().setMaxListeners(3)
  const controller = new AbortController()
  const heard = []
  events.addAbortListener(controller.signal, () => heard.push('aborted'))
  controller.abort()
  return [
    events.getEventListeners(target, 'told').length,
    events.getMaxListeners(emitter),
    typeof emitter.addEventListener,
    ...heard,
  ]
}

async function all() {
  const same = [
    require(name),
    module.require('events'),
    createRequire(__filename)('events'),
    process.getBuiltinModule('events'),
    globalThis.process.getBuiltinModule(name),
    (await import('node:events')).default,
    (await import(name)).default,
  ].map((each) => each === events)
  const threads = process.getBuiltinModule('node:worker_threads')
  return [
    same,
    threads.isMainThread === isMainThread,
    process.getBuiltinModule('none') === undefined,
    require.main === module,
    process.hasOwnProperty('stdin') && process.hasOwnProperty('argv') && !process.hasOwnProperty('none'),
    listens(),
  ]
}

all().then((told) => {
  if (!isMainThread) return parentPort.postMessage(told)
  const worker = new Worker(__filename)
  worker.on('message', (other) => report([told, other]))
})

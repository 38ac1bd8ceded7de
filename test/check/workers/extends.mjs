import * as threads from 'node:worker_threads'
import { Worker } from 'node:worker_threads'

const url = new URL('./extends-worker.mjs', import.meta.url)

class Adder extends Worker {
  #answers = 0
  name = 'adder'

  constructor(added) {
    super(url, { workerData: added })
    this.on('message', (sum) => {
      this.#answers++
      report([this.name, this.constructor.name, this instanceof Adder, sum, this.#answers])
    })
    this.postMessage(1)
  }
}

class Named extends Adder {
  name = 'named'
}

const mixed = (Base) =>
  class extends Base {
    constructor(...args) {
      super(...args)
      this.name += ' mixed'
    }
  }

const Anonymous = class extends threads.Worker {
  constructor() {
    super(url, { workerData: 5 })
    this.once('message', (sum) => report([Anonymous.name, sum]))
    this.postMessage(4)
  }
}

class Pool {
  Worker = Worker

  start(added) {
    const worker = new this.Worker(url, { workerData: added })
    worker.once('message', (sum) => report(['pool', sum]))
    worker.postMessage(1)
  }
}

/** Its names are what one might take for names of ours. */
class Own extends Worker {
  port = 'mine'
  loop = 'mine'
  online = 'mine'
  news = 'mine'
  slot = 'mine'
  exitCode = 'mine'
  isOver = 'mine'
  ends = 'mine'
  run(number) {
    this.once('message', (sum) => report(['named', sum, this.port, this.exitCode, this.listen('x')]))
    this.postMessage(number)
  }
  listen(name) {
    return name
  }
  listened() {
    throw new Error('it is called')
  }
  leave() {
    throw new Error('it is called')
  }
  stop() {
    throw new Error('it is called')
  }
  ended() {
    throw new Error('it is called')
  }
  exit() {
    throw new Error('it is called')
  }
}

const kinds = {
  own: () => new Own(url, { workerData: 8 }).run(2),
  class: () => new Adder(2),
  derived: () => new Named(3),
  mixed: () => new (mixed(mixed(Named)))(4),
  anonymous: () => new Anonymous(),
  field: () => new Pool().start(6),
  chosen: () => {
    const worker = new (url.href ? Worker : Object)(url, { workerData: 7 })
    worker.once('message', (sum) => report(['chosen', sum]))
    worker.postMessage(1)
  },
  from: () => Array.from({ length: 1 }, (_, index) => new Adder(8 + index)),
}
kinds[globalThis.kindOfEnd ?? process.env.KIND_OF_END]()

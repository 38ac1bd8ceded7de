// What functions say of themselves is their source, whatever they do; packages have Workers run it.
import { Worker } from 'node:worker_threads'

const waits = async (n) => {
  /* why */ await Promise.resolve()
  return n + 1
}
const loads = (cells) => {
  const x = Atomics.load(cells, 0)
  return x
}
const curried = (a) => (b) => a(b)
const quick = async () => {}
let counted = 0
const counts = () => counted++
const tells = () => [counted]
counts()
class Cell {
  #of = 1
  static async made() {
    await Promise.resolve()
  }
  add(cells) {
    return Atomics.add(cells, 0, this.#of)
  }
  get now() {
    return Atomics.load(this.cells, 0)
  }
  async later() {
    await Promise.resolve()
  }
}
class Small {
  add(cells) {
    return Atomics.add(cells, 0, 1)
  }
}
const object = {
  *steps(cells) {
    yield Atomics.load(cells, 0)
  },
  async *some() {
    yield 1
  },
}
const cells = new Int32Array(new SharedArrayBuffer(8))
loads(cells)
report([
  waits.toString(),
  `${loads}`,
  curried + '',
  String(quick),
  `${counts}${tells}`,
  Cell + '',
  Small + '',
  String(Cell.made),
  Cell.prototype.add.toString(),
  Cell.prototype.later + '',
  object.steps + '',
  object.some + '',
  Object.getOwnPropertyDescriptor(Cell.prototype, 'now').get + '',
  Function.prototype.toString.call(async function named(a) {
    await a
    return () => a()
  }),
  String(Map),
  Function.prototype.toString.name,
])
const text = `const { parentPort } = require('node:worker_threads')
;(${waits})(1).then((n) => parentPort.postMessage(n))`
new Worker(text, { eval: true }).on('message', report)

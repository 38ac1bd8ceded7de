// Generators that come to shared accesses, as the language specifies them (ECMAScript 2025, 27.5). The body of one runs
// in ../coroutine.ts, until it yields or ends.

import { host, iteratorPrototype } from './host.ts'
import { type Result, isObject } from './iteration-result.ts'

type Kind = 'next' | 'throw' | 'return'

type Method = (this: unknown, value?: unknown) => unknown

/** Of a `yield*`: whose values it yields. */
interface Iterated {
  readonly iterator: Readonly<Record<Kind, Method | null | undefined>>
  /** Asked for once. */
  readonly next: Method
}

interface Work {
  readonly body: object
  state: 'suspended-start' | 'suspended-yield' | 'executing' | 'completed'
  source: Iterated | null
}

const works = new WeakMap<object, Work>()

class Generator {
  next(value: unknown): Result {
    return resume(this, 'next', value)
  }

  throw(error: unknown): Result {
    return resume(this, 'throw', error)
  }

  return(value: unknown): Result {
    return resume(this, 'return', value)
  }

  [Symbol.iterator](): this {
    return this
  }

  [Symbol.dispose](): void {
    this.return(undefined)
  }

  get [Symbol.toStringTag](): string {
    return 'Generator'
  }
}

/** What a generator function returns, whose body is `begin`. */
export default function newGenerator(begin: () => unknown): Generator {
  const generator = new Generator()
  works.set(generator, {
    body: { begin, frames: [], call: null },
    state: 'suspended-start',
    source: null,
  })
  return generator
}

function resume(generator: object, kind: Kind, value: unknown): Result {
  const work = works.get(generator)
  if (work === undefined)
    throw new TypeError(`${kind} method called on incompatible receiver ${String(generator)}`)
  if (work.state === 'executing') throw new TypeError('Generator is already running')
  if (kind !== 'next' && work.state === 'suspended-start') work.state = 'completed'
  if (work.state !== 'completed') return goOn(work, kind, value)
  if (kind === 'throw') throw value
  return { value: kind === 'return' ? value : undefined, done: true }
}

function goOn(work: Work, first: Kind, given: unknown): Result {
  work.state = 'executing'
  let kind = first
  let value = given
  for (;;) {
    if (work.source !== null) {
      const answer = ask(work, work.source, kind, value)
      if (answer.kind === 'yield') {
        work.state = 'suspended-yield'
        return answer.value as Result
      }
      ;({ kind, value } = answer)
    }
    const left = Atomics.runGenerator(work.body, kind, value)
    if (left.kind === 'delegate') {
      kind = 'next'
      value = undefined
      try {
        work.source = open(left.value)
      } catch (error) {
        if (host.isBroken()) throw error
        kind = 'throw'
        value = error
      }
    } else {
      work.state = left.kind === 'yield' ? 'suspended-yield' : 'completed'
      if (left.kind === 'throw') throw left.value
      return { value: left.value, done: left.kind !== 'yield' }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// yield* (15.5.5)

function open(iterable: unknown): Iterated {
  const method = (iterable as Record<symbol, (() => unknown) | undefined>)[Symbol.iterator]
  if (typeof method !== 'function') throw new TypeError(`${String(iterable)} is not iterable`)
  const iterator = method.call(iterable) as Iterated['iterator']
  if (!isObject(iterator)) throw new TypeError('Result of the Symbol.iterator method is not an object')
  return { iterator, next: iterator.next! }
}

/** What the source says, which is yielded as it is; or how the body goes on. */
function ask(
  work: Work,
  { iterator, next }: Iterated,
  kind: Kind,
  value: unknown,
): { readonly kind: Kind | 'yield'; readonly value: unknown } {
  try {
    const method = kind === 'next' ? next : iterator[kind]
    if (method === undefined || method === null) {
      work.source = null
      if (kind === 'return') return { kind, value }
      const close = iterator.return
      if (close !== undefined && close !== null) check(close.call(iterator))
      throw new TypeError("The iterator does not provide a 'throw' method.")
    }
    const result = method.call(iterator, value)
    check(result)
    if (!(result as Result).done) return { kind: 'yield', value: result }
    work.source = null
    return { kind: kind === 'return' ? 'return' : 'next', value: (result as Result).value }
  } catch (error) {
    if (host.isBroken()) throw error
    work.source = null
    return { kind: 'throw', value: error }
  }
}

function check(result: unknown): void {
  if (!isObject(result)) throw new TypeError(`Iterator result ${String(result)} is not an object`)
}

Object.setPrototypeOf(Generator.prototype, iteratorPrototype)

// `process` of a thread: what happens to the thread, as it sees it. All else is that of the process that checks.

import { Emitter } from './emitter.ts'
import { type EventLoop, host } from './host.ts'

const native = globalThis.process

interface Settings {
  readonly loop: EventLoop
  readonly argv: readonly string[]
  readonly execArgv: readonly string[]
  readonly env: object
  readonly exit: (code: unknown) => unknown
}

/** What is known of its end. */
interface OwnProcess {
  exitCode: unknown
  emit(name: string, ...args: unknown[]): boolean
}

export function newProcess({ loop, argv, execArgv, env, exit }: Settings): OwnProcess {
  const emitter = new Emitter() as unknown as Record<string, (...args: unknown[]) => unknown>
  const own = Object.create(native) as Record<string, unknown>
  const set = (name: string, value: unknown): void => {
    Object.defineProperty(own, name, { value, writable: true, enumerable: true, configurable: true })
  }
  const chained = (name: string): void =>
    set(name, (...args: unknown[]) => {
      emitter[name]!(...args)
      return own
    })
  for (const name of ['on', 'once', 'off', 'addListener', 'removeListener', 'prependListener']) chained(name)
  for (const name of ['prependOnceListener', 'removeAllListeners', 'setMaxListeners']) chained(name)
  for (const name of ['emit', 'listenerCount', 'listeners', 'rawListeners', 'eventNames'])
    set(name, (...args: unknown[]) => emitter[name]!(...args))
  set('argv', [...argv])
  set('execArgv', [...execArgv])
  set('env', env)
  set('exitCode', undefined)
  set('exit', exit)
  set('emitWarning', (warning: unknown) => void loop.ticks.push(() => emitter['emit']!('warning', warning)))
  set('nextTick', (called: (...args: unknown[]) => unknown, ...args: unknown[]) => {
    host.loop().ticks.push(() => called(...args))
  })
  loop.onUncaught = (error, kind) => {
    const name =
      kind === 'unhandledRejection' && emitter['listenerCount']!(kind) === 0 ? 'uncaughtException' : kind
    return emitter['listenerCount']!(name) === 0 ? false : emitter['emit']!(name, error, kind)
  }
  return own as unknown as OwnProcess
}

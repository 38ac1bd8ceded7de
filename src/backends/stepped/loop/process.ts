// `process` of a thread: what happens to the thread, as it sees it. All else is that of the process that checks.

import { inFrame } from './async-context.ts'
import type { Context } from './context.ts'
import { Emitter } from './emitter.ts'
import { type EventLoop, host } from './host.ts'
import { builtinModule } from './modules.ts'

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
  /** Its listeners have heard of that. */
  isExiting?: boolean
  emit(name: string, ...args: unknown[]): boolean
}

type Call = (...args: unknown[]) => unknown

/** What all of them have: listeners are those of their emitter. */
const shared = Object.create(native) as Record<string, unknown>

interface Holder {
  readonly emitter$: Record<string, Call>
}

for (const name of [
  'on',
  'once',
  'off',
  'addListener',
  'removeListener',
  'prependListener',
  'prependOnceListener',
  'removeAllListeners',
  'setMaxListeners',
])
  shared[name] = function (this: Holder, ...args: unknown[]): unknown {
    this.emitter$[name]!(...args)
    return this
  }
for (const name of ['emit', 'listenerCount', 'listeners', 'rawListeners', 'eventNames'])
  shared[name] = function (this: Holder, ...args: unknown[]): unknown {
    return this.emitter$[name]!(...args)
  }
// Some ask by this whether they run in Node, as of `stdin`.
shared['hasOwnProperty'] = function (this: object, name: PropertyKey): boolean {
  return Object.hasOwn(this, name) || Object.hasOwn(native, name)
}
shared['getBuiltinModule'] = builtinModule
shared['nextTick'] = (called: Call, ...args: unknown[]): void => {
  host.loop().ticks.push(inFrame(() => called(...args)))
}

/** What `process.exit(given)` does before the thread ends: those hear of it who listen, once. Returns the code. */
export function exitCodeOf(context: Context, given: unknown): number {
  const own = context.process as OwnProcess
  if (given !== undefined) own.exitCode = given
  if (own.isExiting !== true) {
    own.isExiting = true
    own.emit('exit', Number(own.exitCode ?? 0))
  }
  return Number(own.exitCode ?? 0)
}

export function newProcess({ loop, argv, execArgv, env, exit }: Settings): OwnProcess {
  const emitter = new Emitter() as unknown as Record<string, Call>
  const own = Object.create(shared) as Record<string, unknown>
  const fields = {
    emitter$: emitter,
    argv: [...argv],
    execArgv: [...execArgv],
    env,
    exitCode: undefined,
    exit,
  }
  const emitWarning = (warning: unknown): void => {
    loop.ticks.push(() => emitter['emit']!('warning', warning))
  }
  for (const [name, value] of Object.entries({ ...fields, emitWarning }))
    Object.defineProperty(own, name, { value, writable: true, enumerable: true, configurable: true })
  loop.beforeEnd = () => emitter['emit']!('beforeExit', Number(own['exitCode'] ?? 0)) === true
  loop.onUncaught = (error, kind) => {
    const name =
      kind === 'unhandledRejection' && emitter['listenerCount']!(kind) === 0 ? 'uncaughtException' : kind
    return emitter['listenerCount']!(name) === 0 ? false : emitter['emit']!(name, error, kind)
  }
  return own as unknown as OwnProcess
}

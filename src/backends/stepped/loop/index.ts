// What a program in its steppable form has instead of what the engine does in time. It is stepped as if it were a part
// of each program that uses it, and finds the runtime through host.ts.

export { beginChoices, serveChoices } from './choice.ts'
export { AbortController, AbortSignal } from './abort.ts'
export { newGenerator } from './async-generator.ts'
export { openAsync } from './async-iteration.ts'
export { newAsyncStack } from './async-stack.ts'
export { BroadcastChannel } from './broadcast.ts'
export { EventTarget } from './event-target.ts'
export { nextTick, runLoop, tellResult } from './event-loop.ts'
export { builtinModule, importModule } from './modules.ts'
export { MessageChannel, MessagePort } from './ports.ts'
export { Promise, deferred, queueMicrotask, react } from './promise.ts'
export {
  clearImmediate,
  clearInterval,
  clearTimeout,
  setImmediate,
  setInterval,
  setTimeout,
} from './timers.ts'
export { beginStarts, serveStarts } from './starts.ts'
export { newWaiter } from './waiters.ts'
export { WebAssembly } from './web-assembly.ts'
export { newLoop, runScript } from './worker.ts'

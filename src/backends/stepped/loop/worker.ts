// `Worker`: a thread of the program that another one starts, with its own instances of the modules that it runs.
//
// What Node sends between the two beside messages - that it runs, that it throws, that it has ended - comes in one
// queue, and has no order among its messages; but those that it has sent before it ended come before its end (Node 24,
// lib/internal/worker.js, kOnExit).

import * as native from 'node:worker_threads'
import type { ThreadCode } from '../thread-modules.ts'
import { cloneMessage } from './clone.ts'
import { choose } from './choice.ts'
import { type Context, contextOf } from './context.ts'
import { Emitter } from './emitter.ts'
import { driveLoop, guarded, neverSettled } from './event-loop.ts'
import { EventLoop, type Owned, type Slot, type Source, host, takeOut } from './host.ts'
import type { Place } from '../thread.ts'
import { Mailbox } from './mailbox.ts'
import { evaluateMain, importModule } from './modules.ts'
import { End, MessagePort, copyOf, isModelPort, leave } from './ports.ts'
import { exitCodeOf, newProcess } from './process.ts'
import { deferred } from './promise.ts'
import { startThread } from './starts.ts'
import { workerThreadsOf } from './thread-names.ts'
import { checkOptions, outputOf, readScript, scriptOf } from './worker-options.ts'

declare global {
  interface Atomics {
    /** See runtime.ts: the thread ends here, and only `after` is left of it. */
    exitThread(after: () => unknown): never
    /** The thread with this number ends where it is. Returns false where it had finished. */
    stopThread(cell: Int32Array, id: number): boolean
  }
}

export interface WorkerOptions {
  readonly workerData?: unknown
  readonly transferList?: readonly unknown[]
  readonly eval?: boolean
  readonly argv?: readonly unknown[]
  readonly env?: object | symbol
  readonly execArgv?: readonly string[]
  readonly name?: string
  readonly stdin?: boolean
  readonly stdout?: boolean
  readonly stderr?: boolean
}

/** What a Worker says of itself. */
type News =
  | { readonly kind: 'error'; readonly error: unknown }
  | { readonly kind: 'exit'; readonly code: number }

/** An error that nobody hears ends the process, whatever else that waits for. */
const URGENT = 2

/** Where such news arrive. */
class NewsQueue implements Source {
  isReferenced = true
  readonly mailbox = new Mailbox<News>()
  readonly worker: Worker

  constructor(worker: Worker) {
    this.worker = worker
  }

  put(news: News): void {
    if (news.kind === 'exit') this.mailbox.put(news, 'end')
    else this.mailbox.put(news, 'tell of an error', URGENT)
  }

  get isUnheard(): boolean {
    const { worker } = this
    const { process } = contextOf(worker.loop$) as { process: Emitter }
    return (
      this.isReferenced &&
      !worker.hears$('exit') &&
      !worker.hears$('error') &&
      worker.ends$.length === 0 &&
      process.listenerCount('uncaughtException') === 0
    )
  }

  place(): Place {
    return this.mailbox.place()
  }

  looks(): boolean {
    return this.mailbox.looks('hear of a worker')
  }

  deliver(): void {
    const news = this.mailbox.take()
    if (news.kind === 'error') this.worker.emit('error', news.error)
    else this.worker.ended$(news.code)
  }
}

/** Whether it runs, for those who listen to that. */
class Online implements Source {
  isReferenced = false
  readonly cell = new Int32Array(new SharedArrayBuffer(4))
  isTold = false
  readonly worker: Worker

  constructor(worker: Worker) {
    this.worker = worker
  }

  place(): Place | null {
    return this.isTold ? null : { array: this.cell, index: 0 }
  }

  looks(): boolean {
    if (this.isTold) return false
    host.tell('hear whether a worker runs')
    return Atomics.load(this.cell, 0) !== 0
  }

  deliver(): void {
    this.isTold = true
    this.worker.emit('online')
  }
}

/**
 * Where the messages of a Worker arrive. While nobody listens to them, Node throws them away at any moment between two
 * events: so nobody looks for them, and how many are gone is chosen when somebody begins to listen.
 */
class WorkerPort extends MessagePort {
  worker: Worker | null = null
  /** How many were there, with nobody to listen, when the last event began. */
  missed = 0

  override place(): Place | null {
    return this.worker!.hears$('message') ? super.place() : null
  }

  override looks(): boolean {
    return this.worker!.hears$('message') && super.looks()
  }

  passes(): void {
    if (this.worker!.hears$('message')) return
    while (this.own.looks('miss a message', this.missed)) this.missed++
  }

  /** Somebody begins to listen. */
  heard(): void {
    for (let gone = choose(this.missed + 1); gone > 0; gone--) if (this.own.take().isEnd) this.forget()
    this.missed = 0
  }

  override deliver(): void {
    const { data, isEnd } = this.own.take()
    if (isEnd) this.forget()
    else this.worker!.emit('message', data)
  }
}

/** What is not of Node's has a name that no class which extends it gives to anything of its own. */
export class Worker extends Emitter implements Owned {
  threadId: number
  readonly threadName: string
  readonly stdin = null
  readonly stdout: unknown
  readonly stderr: unknown
  readonly resourceLimits = {}
  readonly loop$: EventLoop
  readonly port$: WorkerPort
  readonly childPort$: MessagePort
  readonly news$: NewsQueue
  readonly online$: Online
  /** None yet, where the thread that makes it was ended in the middle of that. */
  slot$: Slot | undefined = undefined
  /** The ports that its thread begins with. */
  readonly given$: readonly MessagePort[]
  /** The event loop of the thread, once that runs. */
  ownLoop$: EventLoop | null = null
  isOver$ = false
  exitCode$: number | undefined = undefined
  readonly ends$: ((code: number | undefined) => void)[] = []

  constructor(script: unknown, options: WorkerOptions = {}) {
    super()
    if (!host.isThread() || host.isSole()) host.refuse('a Worker in the setup', 'let a thread make it')
    checkOptions(options)
    this.stdout = outputOf(options.stdout)
    this.stderr = outputOf(options.stderr)
    this.loop$ = host.loop()
    const parent = contextOf()
    const { data, ports } = cloneMessage(options.workerData, options.transferList ?? [], isModelPort, moved)
    this.given$ = ports.map(({ to }) => to)
    const [one, other] = [new End(), new End()]
    this.port$ = new WorkerPort(one, other)
    this.port$.loop = this.loop$
    this.childPort$ = new MessagePort(other, one)
    this.news$ = new NewsQueue(this)
    this.online$ = new Online(this)
    this.port$.worker = this
    this.port$.isReceiving = true
    const { argv, execArgv, env, environmentData } = settingsOf(parent, options)
    const name = scriptOf(script, options)
    this.threadName = options.name ?? 'WorkerThread'
    const started = { data, argv, execArgv, env, environmentData, script: name }
    this.loop$.ports.push(this.port$, this.news$)
    this.loop$.owned.push(this)
    this.slot$ = startThread(() => this.run$(started))
    this.threadId = this.slot$.id
  }

  /** What the thread does. */
  run$({ data, argv, execArgv, env, environmentData, script }: Started): void {
    host.ownsLoop()
    const loop = host.loop()
    loop.isScript = true
    this.ownLoop$ = loop
    for (const each of this.given$) each.use()
    this.childPort$.loop = loop
    const exit = (code: unknown): never => this.exit$(code)
    const ownProcess = newProcess({ loop, argv, execArgv, env, exit })
    const { threadName, slot$: slot } = this
    const names = {
      parentPort: this.childPort$,
      workerData: data,
      isMainThread: false,
      threadId: slot!.id,
      threadName,
      Worker,
    }
    loop.context = {
      instances: new Map(),
      environmentData,
      process: ownProcess,
      workerThreads: workerThreadsOf({ ...names, environmentData }),
      argv,
      execArgv,
      env,
      exit,
    } satisfies Context
    host.ownsScope(ownProcess)
    host.tell('run')
    Atomics.store(this.online$.cell, 0, 1)
    let code = 0
    try {
      guarded(loop, () => driveLoop(loop, begin(script, execArgv)))
      driveLoop(loop, undefined)
      code = Number(ownProcess.exitCode ?? 0)
    } catch (error) {
      if (host.isBroken()) throw error
      this.news$.put({ kind: 'error', error: sentError(error) })
      code = 1
    }
    if (code === 0 && loop.isPending) throw neverSettled(loop)
    this.leave$(exitCodeOf(contextOf(loop), code))
  }

  /** `process.exit()` in the thread. */
  exit$(given: unknown): never {
    const code = exitCodeOf(contextOf(), given)
    return Atomics.exitThread(() => this.leave$(code))
  }

  /** All that it has goes, and who made it is told. */
  leave$(code: number): void {
    const loop = this.ownLoop$
    // What it was to begin with, and never had, is closed too.
    if (loop === null) {
      for (const each of this.given$) each.ownerEnds(true)
      this.childPort$.dropUnread()
    }
    for (const waiter of loop?.waiters ?? []) waiter.leave()
    for (const each of loop?.owned ?? []) {
      if (each instanceof MessagePort) each.ownerEnds(true)
      else each.ownerEnds()
    }
    this.news$.put({ kind: 'exit', code })
    this.isOver$ = true
  }

  /** Its thread has ended, and the one that made it hears of that. */
  ended$(code: number): void {
    // What it has sent comes first.
    while (this.port$.looks()) this.port$.deliver()
    if (this.online$.looks()) this.online$.deliver()
    this.port$.forget()
    for (const source of [this.news$, this.online$]) takeOut(this.loop$.ports, source)
    takeOut(this.loop$.owned, this)
    this.exitCode$ = code
    this.threadId = -1
    this.emit('exit', code)
    for (const each of this.ends$) each(code)
  }

  /** The thread that made it ends, and all that it has made with it. */
  ownerEnds(): void {
    this.interrupt$()
  }

  /**
   * Ends its thread, and those that it has made. Whether it is over is asked after that and not before: else nothing
   * would tell of the executions in which it was not.
   */
  stop$(): void {
    if (this.slot$ === undefined) return
    host.tell('end a thread')
    Atomics.stopThread(this.slot$.started, this.slot$.id)
  }

  postMessage(value: unknown, options?: unknown): void {
    if (this.exitCode$ === undefined) this.port$.postMessage(value, options)
  }

  terminate(): unknown {
    const { promise, resolve } = deferred()
    if (this.exitCode$ !== undefined) {
      resolve()
      return promise
    }
    this.ref()
    this.ends$.push(resolve)
    // Node interrupts it: it may still do something.
    if (this.ends$.length === 1) startThread(() => this.interrupt$())
    return promise
  }

  interrupt$(): void {
    this.stop$()
    // Where it had not begun, Node says that it has ended well (24.x, src/node_worker.cc, Worker::Exit).
    if (!this.isOver$) this.leave$(this.ownLoop$ === null ? 0 : 1)
  }

  ref(): void {
    if (this.exitCode$ === undefined) this.news$.isReferenced = true
  }

  unref(): void {
    this.news$.isReferenced = false
  }

  /** Somebody may hear of it; a class that extends this may have its own ways. */
  hears$(name: string): boolean {
    return this.listenerCount(name) > 0 || this.emit !== Emitter.prototype.emit
  }

  override listened$(name: string | symbol, count: number): void {
    if (name === 'message' && count === 1) this.port$.heard()
    if (name === 'online' && count === 1 && !this.loop$.ports.includes(this.online$))
      this.loop$.ports.push(this.online$)
  }
}

/** What it begins with. */
interface Started {
  readonly data: unknown
  readonly argv: readonly string[]
  readonly execArgv: readonly string[]
  readonly env: object
  readonly environmentData: Map<unknown, unknown>
  readonly script: Parameters<typeof readScript>[0]
}

function settingsOf(parent: Context, options: WorkerOptions): Omit<Started, 'data' | 'script'> {
  const argv = [...parent.argv.slice(0, 2), ...(options.argv ?? []).map(String)]
  const execArgv = options.execArgv ?? parent.execArgv
  const env =
    options.env === native.SHARE_ENV
      ? parent.env
      : { ...(options.env === undefined ? parent.env : Object(options.env)) }
  return { argv, execArgv, env, environmentData: new Map(parent.environmentData) }
}

/** Runs what comes first, and the script. */
function begin(script: Started['script'], execArgv: readonly string[]): unknown {
  const first = preloaded(execArgv)
  const code = readScript(script)
  return first.length === 0 ? evaluateMain(code) : beginLater(first, code)
}

async function beginLater(first: readonly string[], code: ThreadCode): Promise<void> {
  for (const each of first) await importModule(each, code.url)
  await evaluateMain(code)
}

/** Modules that are to run first: those of `--import` and `--require`. */
function preloaded(execArgv: readonly string[]): string[] {
  const found: string[] = []
  execArgv.forEach((each, index) => {
    const [name, value] = each.split('=', 2)
    if (/^(--import|--require|-r)$/.test(name!)) found.push(value ?? execArgv[index + 1] ?? '')
  })
  return found
}

function moved(port: MessagePort): MessagePort {
  const copy = copyOf(port)
  leave(port)
  return copy
}

/** An error as it arrives elsewhere. */
function sentError(error: unknown): unknown {
  const { data } = cloneMessage(error, [], isModelPort, copyOf)
  return error instanceof Error && data instanceof Error ? Object.assign(data, { ...error }) : data
}

// ---------------------------------------------------------------------------------------------------------------------
// Threads that are not Workers

const environment = { ...globalThis.process.env }

/** The event loop of a thread of the scenario: the main thread of a process of its own, as far as it can tell. */
export function newLoop(): EventLoop {
  const loop = new EventLoop()
  loop.makeContext = (): Context => mainContext(loop)
  return loop
}

function mainContext(loop: EventLoop): Context {
  const { argv, execArgv } = globalThis.process
  const environmentData = new Map<unknown, unknown>()
  const exit = (code: unknown): never => exitMain(loop, code)
  const settings = { argv: argv.slice(0, 2), execArgv, env: { ...environment }, exit }
  const main = { parentPort: null, workerData: null, isMainThread: true, threadId: 0, threadName: 'main' }
  const workerThreads = workerThreadsOf({ ...main, environmentData, Worker })
  loop.onEnd = () => {
    const code = exitCodeOf(contextOf(loop), undefined)
    if (code !== 0) throw new Error(`process.exitCode = ${code}`)
  }
  return {
    instances: new Map(),
    environmentData,
    process: newProcess({ loop, ...settings }),
    workerThreads,
    ...settings,
  }
}

/** `process.exit()` in the main thread: a code other than 0 is what the check is about. */
function exitMain(loop: EventLoop, given: unknown): never {
  const code = exitCodeOf(contextOf(loop), given)
  return Atomics.exitThread(() => {
    for (const each of loop.owned) each.ownerEnds()
    if (code !== 0) throw new Error(`process.exit(${code})`)
  })
}

/** Runs a script as the main thread of a process. */
export function runScript(url: string): unknown {
  host.loop().isScript = true
  host.ownsScope(contextOf().process)
  return evaluateMain(readScript({ kind: 'worker', specifier: url }))
}

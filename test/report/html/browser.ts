// A Chromium of the machine, spoken to by the DevTools protocol: no package is needed for that.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

const NAMES = ['chromium', 'chromium-browser', 'chromium-headless-shell', 'google-chrome', 'chrome']

/** The path of a Chromium: what FAULTLINE_CHROMIUM names, or one in the PATH; null where there is none. */
export function findChromium(): string | null {
  const given = process.env['FAULTLINE_CHROMIUM']
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const candidates =
    given === undefined ? folders.flatMap((folder) => NAMES.map((name) => join(folder, name))) : [given]
  return candidates.find(isExecutable) ?? null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params: Readonly<Record<string, unknown>>
  readonly result?: Readonly<Record<string, unknown>>
  readonly error?: { readonly message: string }
}

/** One tab of a browser. */
export class Tab {
  readonly #child: ChildProcess
  readonly #profile: string
  readonly #socket: WebSocket
  readonly #answers = new Map<number, (message: Message) => void>()
  readonly #waiting: { readonly method: string; readonly resolve: () => void }[] = []
  #session = ''
  #calls = 0
  /** Rejected with the first of `problems`: what would be waited for may never come. */
  readonly #trouble = Promise.withResolvers<never>()
  readonly #gone: Promise<never>
  /** What went wrong in the page: exceptions, errors on the console, refusals of its policy. */
  readonly problems: string[] = []
  /** Addresses that were asked for. */
  readonly requests: string[] = []

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child
    this.#profile = profile
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data)) as Message))
    this.#gone = once(socket, 'close').then(() => Promise.reject(new Error('the browser is gone')))
    for (const promise of [this.#trouble.promise, this.#gone]) promise.catch(() => {})
  }

  static async open(browser: string): Promise<Tab> {
    const profile = mkdtempSync(join(tmpdir(), 'faultline-chromium-'))
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-port=0']
    const child = spawn(browser, [...options, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const address = await addressOf(child)
    const socket = new WebSocket(address)
    await once(socket, 'open')
    const tab = new Tab(child, profile, socket)
    const { targetId } = await tab.call('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await tab.call('Target.attachToTarget', { targetId, flatten: true })
    tab.#session = String(sessionId)
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await tab.call(`${domain}.enable`)
    return tab
  }

  #receive({ id, method, params, ...message }: Message): void {
    if (id !== undefined) {
      this.#answers.get(id)?.({ id, params, ...message })
      this.#answers.delete(id)
    }
    if (method === 'Runtime.exceptionThrown') this.#note(params['exceptionDetails'])
    if (method === 'Log.entryAdded') this.#note(params['entry'])
    if (method === 'Network.requestWillBeSent') this.requests.push((params['request'] as { url: string }).url)
    for (const waiter of this.#waiting.filter((one) => one.method === method)) {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
      waiter.resolve()
    }
  }

  #note(problem: unknown): void {
    this.problems.push(JSON.stringify(problem))
    this.#trouble.reject(new Error(this.problems[0]))
  }

  async call(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, unknown>>> {
    const id = ++this.#calls
    const session = this.#session === '' ? {} : { sessionId: this.#session }
    const answer = new Promise<Message>((resolve) => this.#answers.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params, ...session }))
    const { result, error } = await Promise.race([answer, this.#gone])
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  async goTo(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) =>
      this.#waiting.push({ method: 'Page.loadEventFired', resolve }),
    )
    await this.call('Page.navigate', { url })
    await loaded
  }

  /** The value of an expression in the page; of a promise, what it comes to. */
  async evaluate(expression: string): Promise<unknown> {
    const options = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', options)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value: unknown }).value
  }

  /** Waits, frame by frame, until an expression in the page is true; fails once anything is wrong with the page. */
  async until(condition: string): Promise<void> {
    const came = this.evaluate(`new Promise((resolve) => {
      const look = () => (${condition}) ? resolve() : requestAnimationFrame(look)
      look()
    })`)
    await Promise.race([came, this.#trouble.promise])
  }

  async press(key: string): Promise<void> {
    const text = key.length === 1 ? { text: key } : {}
    await this.call('Input.dispatchKeyEvent', { type: 'keyDown', key, ...text })
    await this.call('Input.dispatchKeyEvent', { type: 'keyUp', key })
  }

  async close(): Promise<void> {
    const { exitCode, signalCode } = this.#child
    const ended = exitCode === null && signalCode === null ? once(this.#child, 'exit') : undefined
    this.#session = ''
    await Promise.race([this.call('Browser.close'), ended])
    await ended
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Where a browser listens, which it says on standard error. */
async function addressOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stderr! })) {
    const match = /^DevTools listening on (ws:\S+)/.exec(line)
    if (match !== null) {
      child.stderr!.resume()
      return match[1]!
    }
  }
  throw new Error('the browser ended before it listened')
}

// Channels between threads. What a port has sent is in the mailbox of the other one: sending is a step, and so is
// looking.

import { cloneMessage } from './clone.ts'
import { type EventLoop, type Owned, type Source, host, takeOut } from './host.ts'
import type { Place } from '../thread.ts'
import { Mailbox } from './mailbox.ts'
import { PortTarget } from './port-target.ts'

const Native = globalThis.MessagePort
const NativeChannel = globalThis.MessageChannel

/** What has arrived at a port; `isEnd` where the other one was closed. */
interface Message {
  readonly data: unknown
  readonly isEnd: boolean
  /** Those that move with it. */
  readonly ports?: readonly MessagePort[]
}

/** One of the two ends of a channel. It stays what it is when its port moves to another thread. */
export class End extends Mailbox<Message> {}

const SEND = 'send a message'
const LOOK = 'find a message'

export class MessagePort extends PortTarget implements Source, Owned {
  /** The thread that it belongs to: the first that uses it. */
  loop: EventLoop | null = null
  isReferenced = false
  /** Messages are received; else only, where somebody listens to that, that the other one was closed. */
  isReceiving = false
  isClosed = false
  /** It was handed to another thread. */
  isDetached = false
  readonly own: End
  readonly other: End

  constructor(own: End, other: End) {
    super()
    this.own = own
    this.other = other
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) || value instanceof Native
  }

  postMessage(value: unknown, options?: unknown): void {
    this.use()
    const { data, ports } = cloneMessage(value, transferOf(options), isModelPort, copyOf)
    if (this.isClosed || this.isDetached) return
    for (const { from } of ports) leave(from)
    this.put({ data, isEnd: false, ports: ports.map(({ to }) => to) })
  }

  put(message: Message): void {
    this.other.put(message, message.isEnd ? 'close' : SEND)
  }

  start(): void {
    this.use()
    if (!host.isThread())
      host.refuse('a listener in the setup', 'let the thread listen that is to have the port')
    if (this.isClosed) return
    this.isReceiving = true
    this.watch$()
  }

  watch$(): void {
    const { ports } = host.loop()
    if (!ports.includes(this)) ports.push(this)
  }

  ref(): void {
    this.isReferenced = true
  }

  unref(): void {
    this.isReferenced = false
  }

  hasRef(): boolean {
    return this.isReferenced
  }

  close(called?: unknown): void {
    this.use()
    if (typeof called === 'function') this.once('close', called)
    if (this.isClosed || this.isDetached) return
    this.put({ data: undefined, isEnd: true })
    this.end()
  }

  /** Nothing is sent or received any more. */
  end(): void {
    this.isClosed = true
    this.isReferenced = false
    this.forget()
    host.loop().ticks.push(() => this.emit('close', { type: 'close', target: this }))
  }

  /** What is at the place may be no event. */
  get isVague(): boolean {
    return !this.isReceiving
  }

  place(): Place | null {
    return this.own.place()
  }

  /** Whether there is something for those who listen. */
  looks(): boolean {
    return this.own.looks(LOOK) && (this.isReceiving || this.own.next()!.isEnd)
  }

  deliver(): void {
    const { data, isEnd, ports = [] } = this.own.take()
    for (const each of ports) each.use()
    if (isEnd) this.end()
    else this.emit('message', data)
  }

  /** See receiveMessageOnPort(). */
  take(): { message: unknown } | undefined {
    this.use()
    if (!this.own.looks(LOOK) || this.own.next()!.isEnd) return undefined
    const { data, ports = [] } = this.own.take()
    for (const each of ports) each.use()
    return { message: data }
  }

  /** A port belongs to one thread. */
  use(): void {
    if (!host.isThread()) return
    const loop = host.loop()
    if (this.loop === null) {
      this.loop = loop
      loop.owned.push(this)
    } else if (this.loop !== loop)
      host.refuse(
        'a MessagePort that two threads use',
        'give each thread one of the two: in Node, a port belongs to one thread',
      )
  }

  /** It is listened at no more. */
  forget(): void {
    this.isReferenced = false
    takeOut(this.loop?.ports ?? [], this)
  }

  /** Its thread has ended: a Worker's ports are closed with it. */
  ownerEnds(isWorker = false): void {
    if (host.isSole()) this.leaveSetup()
    if (!isWorker || this.isClosed || this.isDetached) return
    // In this order: who ends here may be ended itself before it has told.
    this.put({ data: undefined, isEnd: true })
    this.isClosed = true
    this.dropUnread()
  }

  /** What was sent and not received is lost: ports in it are closed. */
  dropUnread(): void {
    while (this.own.looks(LOOK)) for (const each of this.own.take().ports ?? []) each.ownerEnds(true)
  }

  /** What has used it was alone: whoever does so first now has it. */
  leaveSetup(): void {
    if (this.listenerCount('message') > 0)
      host.refuse('a listener that the setup leaves', 'let the thread listen that is to have the port')
    this.loop = null
  }

  override listened$(name: string, count: number, isMore: boolean): void {
    if (name === 'close' && isMore && host.isThread() && !this.isClosed) {
      this.use()
      this.watch$()
    }
    if (name !== 'message') return
    if (isMore && count === 1) {
      this.start()
      this.isReferenced = !this.isClosed
    }
    if (isMore || count > 0) return
    // What comes now stays where it is until somebody listens again.
    this.isReceiving = false
    this.isReferenced = false
    if (this.listenerCount('close') === 0) takeOut(this.loop?.ports ?? [], this)
  }
}

export function isModelPort(value: unknown): value is MessagePort {
  return value instanceof MessagePort && 'own' in value
}

/** What postMessage() is given after the message. */
function transferOf(options: unknown): readonly unknown[] {
  if (options === undefined || options === null) return []
  if (Array.isArray(options)) return options as unknown[]
  return (options as { transfer?: unknown[] }).transfer ?? []
}

/** The thread that receives it gets a port of its own for the same end. */
export function copyOf({ own, other }: MessagePort): MessagePort {
  return new MessagePort(own, other)
}

/** It moves to another thread. */
export function leave(port: MessagePort): void {
  port.use()
  port.isDetached = true
  port.forget()
}

class LoopChannel {
  readonly port1!: MessagePort
  readonly port2!: MessagePort

  constructor() {
    if (!host.isModelled()) return new NativeChannel() as never
    const [one, other] = [new End(), new End()]
    this.port1 = new MessagePort(one, other)
    this.port2 = new MessagePort(other, one)
  }
}

Object.defineProperty(LoopChannel, 'name', { value: 'MessageChannel' })

export { LoopChannel as MessageChannel }

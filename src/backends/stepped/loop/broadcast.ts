// BroadcastChannel: what one sends, each other of its name in the program gets, in a step for each of them. In Node,
// two who send at once may be in different orders with two who receive.

import { cloneMessage } from './clone.ts'
import { type EventLoop, type Owned, host, takeOut } from './host.ts'
import { End, MessagePort, copyOf, isModelPort } from './ports.ts'

const Native = globalThis.BroadcastChannel

class LoopBroadcastChannel extends MessagePort implements Owned {
  readonly name!: string
  readonly channel!: End
  /** Messages that were sent to it. */
  readonly sent = new Int32Array(new SharedArrayBuffer(4))
  override get isVague(): boolean {
    return true
  }

  constructor(name: unknown) {
    const own = new End()
    super(own, own)
    if (!host.isThread() || host.isSole())
      host.refuse('a BroadcastChannel in the setup', 'let the threads make it')
    this.name = String(name)
    this.channel = own
    const loop: EventLoop = host.loop()
    this.loop = loop
    loop.owned.push(this)
    host.tell('join a BroadcastChannel')
    const { members, count } = host.group(this.name)
    Atomics.add(count, 0, 1)
    members.push(this)
    // It listens from the beginning.
    this.start()
    this.isReferenced = true
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return Function.prototype[Symbol.hasInstance].call(this, value) || value instanceof Native
  }

  override postMessage(value: unknown): void {
    this.use()
    if (this.isClosed) throw new DOMException('BroadcastChannel is closed.', 'InvalidStateError')
    const { members, count } = host.group(this.name)
    host.tell('see who listens to a BroadcastChannel')
    Atomics.load(count, 0)
    for (const each of [...members] as LoopBroadcastChannel[]) {
      if (each === this || each.isClosed) continue
      const { data } = cloneMessage(value, [], isModelPort, copyOf)
      each.receive(data)
    }
  }

  /** Many may send at once: who comes before whom is told by the same step as that a message is there. */
  receive(data: unknown): void {
    host.tell('send a message')
    const index = Atomics.add(this.sent, 0, 1)
    this.channel.messages[index] = { data, isEnd: false }
  }

  override looks(): boolean {
    host.tell('find a message')
    Atomics.load(this.sent, 0)
    return this.channel.next() !== undefined
  }

  override close(): void {
    this.use()
    if (this.isClosed) return
    this.leaveGroup()
    this.isClosed = true
    this.forget()
  }

  leaveGroup(): void {
    const { members, count } = host.group(this.name)
    host.tell('leave a BroadcastChannel')
    Atomics.add(count, 0, 1)
    takeOut(members, this)
  }

  override ownerEnds(isWorker = false): void {
    if (!isWorker || this.isClosed) return
    this.isClosed = true
    this.leaveGroup()
  }

  override listened$(): void {
    // It listens from the beginning, and keeps its thread.
  }
}

Object.defineProperty(LoopBroadcastChannel, 'name', { value: 'BroadcastChannel' })

export { LoopBroadcastChannel as BroadcastChannel }

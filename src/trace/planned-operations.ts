/**
 * The operations of each worker of a replay, as they are written: what to do, what to wait for, and whose it is.
 */
import { NOTE_NONE, OP_GUEST, OP_LEAVE, OP_NOTE_SHIFT, OP_WAITS_SHIFT, PAYLOAD_WORDS } from './operations.ts'
import type { OpStore, WordStream } from './op-store.ts'
import type { OrderAnalysis } from './order.ts'
import type { PlanSource } from './plan-types.ts'
import type { PlannedTimes } from './recorded-times.ts'
import type { Relocation } from './relocation.ts'
import type { SpaceOrder } from './space-order.ts'

/** Where the record under way belongs: its seat, its address space, and where that one's addresses go. */
export class Place {
  seat = 0
  image = -1
  space!: SpaceOrder
  relocation!: Relocation
  /** The lowest program break that was recorded, or -1. */
  heapStart = -1

  /** A program break is the end of a range, but its lowest value is a beginning. */
  breakAddress(value: number): number {
    return value > this.heapStart ? this.relocation.end(value) : this.relocation.address(value)
  }
}

export class PlannedOperations {
  readonly streams: readonly WordStream[]
  /** Of each worker. */
  readonly counts: number[]
  calls = 0
  readonly #place: Place
  readonly #order: OrderAnalysis
  readonly #seats: PlanSource['seats']
  readonly #times: PlannedTimes | null

  constructor(
    place: Place,
    order: OrderAnalysis,
    seats: PlanSource['seats'],
    times: PlannedTimes | null,
    workers: number,
    store: OpStore,
  ) {
    this.#place = place
    this.#order = order
    this.#seats = seats
    this.#times = times
    this.streams = Array.from({ length: workers }, () => store.createStream())
    this.counts = Array.from({ length: workers }, () => 0)
  }

  call(op: number, payload: readonly number[]): void {
    this.calls++
    this.write(op, payload)
  }

  /** @param note why a fault may not occur, see operations.ts */
  write(op: number, payload: readonly number[], note: number = NOTE_NONE): void {
    const { seat } = this.#place
    const order = this.#order
    const { worker } = order
    const waits = order.end()
    const stream = this.streams[worker]!
    let at = stream.reserve(1 + 2 * waits + PAYLOAD_WORDS[op]!)
    const { words } = stream
    const guest = this.#seats[seat]!.guest ? OP_GUEST : 0
    words[at++] = op | (note << OP_NOTE_SHIFT) | guest | (waits << OP_WAITS_SHIFT)
    for (let i = 0; i < waits; i++) {
      words[at++] = order.waitWorkers[i]!
      words[at++] = order.waitOperations[i]!
    }
    for (const word of payload) words[at++] = word
    words[at] = seat
    this.counts[worker]!++
    this.#times?.operation(worker, op === OP_LEAVE ? -1 : seat)
  }
}

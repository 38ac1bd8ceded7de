// What clearing and copying a frame costs: whether it is still in the last-level cache, and whether the memory of its
// node has bandwidth left. Charged for the page as a whole; nothing is stored.
//
// A frame is in the last-level cache of a group of cores if the group has streamed less through it since than it holds.
// Clearing a frame that is not reads its lines and writes others back: 8 KiB for 4 KiB.

import { PAGE_SIZE } from '../kernel/index.ts'
import type { MachineModel, PageCost } from './machine.ts'
import type { Topology } from './topology.ts'

/** Bytes that go over the memory bus for a page that is cleared, and for one that is copied. */
const CLEAR_TRAFFIC = 2 * PAGE_SIZE
const COPY_TRAFFIC = 3 * PAGE_SIZE

export class FrameCosts {
  readonly #machine: MachineModel
  readonly #topology: Topology
  /** Of each frame, one more than the group that last streamed it, and how much that had streamed by then. */
  readonly #group: Int16Array
  readonly #streamedThen: Float64Array
  readonly #streamed: Float64Array
  readonly #busyUntil: Float64Array
  readonly #capacity: number
  readonly #framesPerNode: number

  /**
   * @param scale by how much the workload is smaller than what it stands for: the cache is smaller by as much, or all
   * of it would fit
   * @param framesPerNode how many frames each memory node has, which is a socket's by its number; without it, every
   * frame is of the node of who asks for it
   */
  constructor(machine: MachineModel, topology: Topology, frames: number, scale: number, framesPerNode = 0) {
    this.#machine = machine
    this.#topology = topology
    this.#group = new Int16Array(frames)
    this.#streamedThen = new Float64Array(frames)
    this.#streamed = new Float64Array(topology.groups)
    this.#busyUntil = new Float64Array(topology.shape.sockets)
    this.#capacity = machine.lastLevelBytes * scale
    this.#framesPerNode = framesPerNode
  }

  /** How long `core` takes at `now` to clear a frame, in nanoseconds. */
  clear(core: number, frame: number, now: number): number {
    const isHot = this.#stream(core, frame)
    return this.#cost(this.#machine.clearing, isHot, CLEAR_TRAFFIC, this.#homeOf(frame, core), now)
  }

  copy(core: number, to: number, from: number, now: number): number {
    const isHot = this.#stream(core, from)
    this.#stream(core, to)
    return this.#cost(this.#machine.copying, isHot, COPY_TRAFFIC, this.#homeOf(to, core), now)
  }

  /** Returns whether the frame was in the cache. */
  #stream(core: number, frame: number): boolean {
    const group = this.#topology.groupOfCore[core]!
    const streamed = this.#streamed[group]!
    const isHot = this.#group[frame] === group + 1 && streamed - this.#streamedThen[frame]! < this.#capacity
    this.#streamed[group] = streamed + PAGE_SIZE
    this.#group[frame] = group + 1
    this.#streamedThen[frame] = streamed + PAGE_SIZE
    return isHot
  }

  /** The socket whose memory the frame is in; of all sockets where they have one. */
  #homeOf(frame: number, core: number): number {
    if (this.#machine.hasOneMemory === true) return 0
    if (this.#framesPerNode === 0) return this.#topology.socketOfCore[core]!
    return Math.floor(frame / this.#framesPerNode)
  }

  #cost(cost: PageCost, isHot: boolean, traffic: number, socket: number, now: number): number {
    if (isHot) return cost.hotNs
    const begin = Math.max(now, this.#busyUntil[socket]!)
    const end = begin + traffic / this.#machine.bandwidthPerSocket
    this.#busyUntil[socket] = end
    return Math.max(cost.coldNs, end - now)
  }
}

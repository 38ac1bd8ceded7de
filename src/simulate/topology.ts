// Where the hardware threads of a machine are: core, group of cores with a last-level cache, socket, memory node.
//
// CPUs are numbered as Linux numbers them on such machines: the first thread of every core, socket by socket, and then
// the second threads in the same order.

export interface TopologyShape {
  readonly sockets: number
  /** Groups of cores in a socket with a last-level cache of their own: 1 where the whole socket shares one. */
  readonly groupsPerSocket: number
  readonly coresPerGroup: number
  readonly threadsPerCore: number
}

/** How far two cores are apart, nearest first. */
export const SAME_CORE = 0
export const SAME_GROUP = 1
export const SAME_SOCKET = 2
export const OTHER_SOCKET = 3

/** How a workload's threads are laid out over the CPUs. */
export type Placement = 'compact' | 'spread'

/** `NUMA_IMBALANCE_MIN`: by how many threads one socket may be ahead as long as it has few. */
const IMBALANCE_MIN = 2

export class Topology {
  readonly shape: TopologyShape
  readonly cores: number
  readonly cpus: number
  readonly groups: number
  readonly groupOfCore: Int16Array
  readonly socketOfCore: Int16Array
  /** Distances, `from * cores + to`. */
  readonly #distances: Uint8Array

  constructor(shape: TopologyShape) {
    const { sockets, groupsPerSocket, coresPerGroup, threadsPerCore } = shape
    this.shape = shape
    this.groups = sockets * groupsPerSocket
    const cores = this.groups * coresPerGroup
    this.cores = cores
    this.cpus = cores * threadsPerCore
    this.groupOfCore = Int16Array.from({ length: cores }, (_, core) => Math.floor(core / coresPerGroup))
    this.socketOfCore = this.groupOfCore.map((group) => Math.floor(group / groupsPerSocket))
    this.#distances = new Uint8Array(cores * cores)
    for (let from = 0; from < cores; from++)
      for (let to = 0; to < cores; to++) this.#distances[from * cores + to] = this.#distanceOf(from, to)
  }

  coreOf(cpu: number): number {
    return cpu % this.cores
  }

  distance(from: number, to: number): number {
    return this.#distances[from * this.cores + to]!
  }

  /**
   * The CPUs of `count` threads, cores before their second threads. Compact: cores in their order, as will-it-scale
   * binds its tasks. Spread: as Linux places threads that nobody binds, over groups in turn, and over sockets as it has
   * done from 5.11 to 5.17 or, with `since6`, since 6.0.
   */
  place(count: number, placement: Placement, since6 = false): number[] {
    const order =
      placement === 'compact' ? this.#coresInOrder() : this.#coresBySocket(this.#sockets(count, since6))
    return Array.from({ length: count }, (_, thread) => {
      const second = Math.floor(thread / this.cores) % this.shape.threadsPerCore
      return second * this.cores + order[thread % this.cores]!
    })
  }

  #coresInOrder(): number[] {
    return Array.from({ length: this.cores }, (_, core) => core)
  }

  /** The sockets of as many threads as there are cores, each as it begins. */
  #sockets(count: number, since6: boolean): number[] {
    const { sockets, groupsPerSocket, coresPerGroup, threadsPerCore } = this.shape
    const perSocket = groupsPerSocket * coresPerGroup
    if (since6) return this.#socketsSince6(perSocket)
    // In turn, unless there are so few that one socket may have them: a quarter of its CPUs (7d2b5dd0bcc4,
    // "sched/numa: Allow a floating imbalance between NUMA nodes").
    const few = count <= (perSocket * threadsPerCore) / 4 && count <= perSocket
    return this.#coresInOrder().map((index) => (few ? Math.floor(index / perSocket) : index % sockets))
  }

  /**
   * A thread stays where its maker is if that is ahead by no more than two threads and has few: an eighth of its CPUs,
   * or one thread for each of several groups (026b98a93bbd and cb29a5c19d2d, "sched/numa: Apply imbalance limitations
   * consistently"). Else it goes where the fewest are.
   */
  #socketsSince6(perSocket: number): number[] {
    const { sockets, groupsPerSocket, threadsPerCore } = this.shape
    const few = Math.max(1, groupsPerSocket === 1 ? (perSocket * threadsPerCore) >> 3 : groupsPerSocket)
    const running = new Int32Array(sockets)
    return this.#coresInOrder().map(() => {
      const fewest = running.indexOf(Math.min(...running))
      const stays = running[0]! < few && running[0]! - running[fewest]! <= IMBALANCE_MIN
      const socket = stays ? 0 : fewest
      running[socket]!++
      return socket
    })
  }

  /** The core of each thread that goes to these sockets one after the other: over the groups of a socket in turn. */
  #coresBySocket(socketOfThread: readonly number[]): number[] {
    const { sockets, groupsPerSocket, coresPerGroup } = this.shape
    const placed = new Int32Array(sockets)
    return socketOfThread.map((socket) => {
      const index = placed[socket]!++
      const inSocket = (index % groupsPerSocket) * coresPerGroup + Math.floor(index / groupsPerSocket)
      return socket * groupsPerSocket * coresPerGroup + inSocket
    })
  }

  #distanceOf(from: number, to: number): number {
    if (from === to) return SAME_CORE
    if (this.groupOfCore[from] === this.groupOfCore[to]) return SAME_GROUP
    return this.socketOfCore[from] === this.socketOfCore[to] ? SAME_SOCKET : OTHER_SOCKET
  }
}

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
   * binds its tasks. Spread: as the scheduler of Linux 5.11 to 5.17 places threads that nobody binds, over groups in
   * turn, and over sockets in turn unless there are so few that it lets one socket have them (7d2b5dd0bcc4,
   * "sched/numa: Allow a floating imbalance between NUMA nodes": a quarter of its CPUs).
   */
  place(count: number, placement: Placement): number[] {
    const order = placement === 'compact' ? this.#coresInOrder() : this.#coresInTurn(count)
    return Array.from({ length: count }, (_, thread) => {
      const second = Math.floor(thread / this.cores) % this.shape.threadsPerCore
      return second * this.cores + order[thread % this.cores]!
    })
  }

  #coresInOrder(): number[] {
    return Array.from({ length: this.cores }, (_, core) => core)
  }

  #coresInTurn(count: number): number[] {
    const { sockets, groupsPerSocket, coresPerGroup, threadsPerCore } = this.shape
    const perSocket = groupsPerSocket * coresPerGroup
    const few = count <= (perSocket * threadsPerCore) / 4 && count <= perSocket
    const inSocket = (index: number): number =>
      (index % groupsPerSocket) * coresPerGroup + Math.floor(index / groupsPerSocket)
    return this.#coresInOrder().map((index) =>
      few
        ? Math.floor(index / perSocket) * perSocket + inSocket(index % perSocket)
        : (index % sockets) * perSocket + inSocket(Math.floor(index / sockets)),
    )
  }

  #distanceOf(from: number, to: number): number {
    if (from === to) return SAME_CORE
    if (this.groupOfCore[from] === this.groupOfCore[to]) return SAME_GROUP
    return this.socketOfCore[from] === this.socketOfCore[to] ? SAME_SOCKET : OTHER_SOCKET
  }
}

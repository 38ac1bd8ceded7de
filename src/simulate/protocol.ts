// The coherence protocol: which core's private cache holds which line, and in what state. A directory, as the
// last-level cache or the home memory keeps it.
//
// Principle: this file knows states and nothing of time. An access says what it met (a hit, another core's copy, the
// last level, memory) and whose copies it ended; what that costs is latency.ts, where the cores are is topology.ts.
//
// MESI    a line that one core has modified is written back when another reads it; both share it then.
// MESIF   the same, and of those who share it the last reader forwards it (Intel since Nehalem).
// MOESI   who has modified it keeps it, owned, and forwards it; memory stays stale (AMD).
//
// Lines are never evicted: what a kernel uses of its heap in a fault is taken to stay in the private caches. Frames,
// which are streamed through them, are not kept here: see frames.ts.

export type ProtocolName = 'MESI' | 'MESIF' | 'MOESI'

export const INVALID = 0
/** Several may have it, none has changed it since it was in memory. */
export const SHARED = 1
export const EXCLUSIVE = 2
/** MOESI: several may have it, and the owner's copy alone is newer than memory. */
export const OWNED = 3
export const MODIFIED = 4

/** Where the data of an access came from. */
export const FROM_OWN = 0
export const FROM_CORE = 1
/** From the last-level cache of the core's group: another core of the group shares the line. */
export const FROM_LAST_LEVEL = 2
export const FROM_MEMORY = 3

const NOBODY = -1

export class Directory {
  readonly protocol: ProtocolName
  readonly cores: number
  /** Which last-level cache each core has. */
  readonly #groupOf: Int16Array
  /** Who has the line for itself, owns it, or forwards it; -1 if nobody. */
  owner: Int16Array
  state: Uint8Array

  // What the last access met.
  /** FROM_OWN … FROM_MEMORY. */
  source = FROM_OWN
  /** The core that gave the data, if one did; else -1. */
  supplier = NOBODY
  /** Cores whose copies it ended. */
  readonly ended: Int16Array
  endedCount = 0

  /** For each line, one more than where its set of sharers is in {@link #sets}; 0 where it has none. */
  #setOf: Int32Array
  #sets: Int32Array
  #setsUsed = 0
  readonly #setWords: number

  constructor(protocol: ProtocolName, groupOf: Int16Array, lines: number) {
    const cores = groupOf.length
    this.protocol = protocol
    this.cores = cores
    this.#groupOf = groupOf
    this.owner = new Int16Array(lines).fill(NOBODY)
    this.state = new Uint8Array(lines)
    this.ended = new Int16Array(cores)
    this.#setOf = new Int32Array(lines)
    this.#setWords = (cores + 31) >> 5
    this.#sets = new Int32Array(1024 * this.#setWords)
  }

  /** Whether the access needs nobody else. */
  isHit(line: number, core: number, write: boolean): boolean {
    const state = this.state[line]!
    if (state >= EXCLUSIVE && this.owner[line] === core) return state !== OWNED || !write
    return !write && state !== INVALID && this.#isSharer(line, core)
  }

  read(line: number, core: number): void {
    this.endedCount = 0
    this.supplier = NOBODY
    if (this.isHit(line, core, false)) {
      this.source = FROM_OWN
      return
    }
    const state = this.state[line]!
    const owner = this.owner[line]!
    if (state === INVALID) {
      this.source = FROM_MEMORY
      this.owner[line] = core
      this.state[line] = EXCLUSIVE
      return
    }
    this.#findSupplier(line, core)
    if (state === EXCLUSIVE || state === MODIFIED) this.#addSharer(line, owner)
    this.#addSharer(line, core)
    if (this.protocol === 'MOESI') {
      if (state === MODIFIED) this.state[line] = OWNED
      else if (state === EXCLUSIVE) this.state[line] = SHARED
      return
    }
    this.state[line] = SHARED
    this.owner[line] = this.protocol === 'MESIF' ? core : NOBODY
  }

  write(line: number, core: number): void {
    this.endedCount = 0
    this.supplier = NOBODY
    this.source = FROM_OWN
    const state = this.state[line]!
    const owner = this.owner[line]!
    if (state === INVALID) this.source = FROM_MEMORY
    else if (state === EXCLUSIVE || state === MODIFIED) {
      if (owner !== core) this.#takeFrom(owner)
    } else {
      if (!this.#isSharer(line, core)) this.#findSupplier(line, core)
      this.#endSharers(line, core)
    }
    this.owner[line] = core
    this.state[line] = MODIFIED
  }

  grow(lines: number): void {
    if (lines <= this.state.length) return
    const owner = new Int16Array(lines).fill(NOBODY)
    owner.set(this.owner)
    const state = new Uint8Array(lines)
    state.set(this.state)
    const sets = new Int32Array(lines)
    sets.set(this.#setOf)
    this.owner = owner
    this.state = state
    this.#setOf = sets
  }

  /** The cores that have a copy that may be read. */
  holders(line: number): number[] {
    const state = this.state[line]!
    if (state === INVALID) return []
    if (state === EXCLUSIVE || state === MODIFIED) return [this.owner[line]!]
    return Array.from({ length: this.cores }, (_, core) => core).filter((core) => this.#isSharer(line, core))
  }

  #takeFrom(owner: number): void {
    this.source = FROM_CORE
    this.supplier = owner
    this.ended[0] = owner
    this.endedCount = 1
  }

  /** Others have the line, and the core has not. */
  #findSupplier(line: number, core: number): void {
    this.source = FROM_CORE
    this.supplier = this.owner[line]!
    const state = this.state[line]!
    if (state === EXCLUSIVE || state === MODIFIED) return
    const at = this.#setOf[line]! - 1
    const group = this.#groupOf[core]!
    for (let word = 0; word < this.#setWords; word++) {
      let bits = this.#sets[at + word]!
      while (bits !== 0) {
        const sharer = word * 32 + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        if (this.supplier === NOBODY) this.supplier = sharer
        if (this.#groupOf[sharer] !== group) continue
        this.source = FROM_LAST_LEVEL
        this.supplier = NOBODY
        return
      }
    }
  }

  #isSharer(line: number, core: number): boolean {
    const at = this.#setOf[line]!
    return at !== 0 && (this.#sets[at - 1 + (core >> 5)]! & (1 << (core & 31))) !== 0
  }

  #addSharer(line: number, core: number): void {
    let at = this.#setOf[line]!
    if (at === 0) {
      at = this.#setsUsed + 1
      this.#setsUsed += this.#setWords
      if (this.#setsUsed > this.#sets.length) {
        const sets = new Int32Array(2 * this.#sets.length)
        sets.set(this.#sets)
        this.#sets = sets
      }
      this.#setOf[line] = at
    }
    this.#sets[at - 1 + (core >> 5)]! |= 1 << (core & 31)
  }

  /** Empties the set of sharers, and notes those other than `core` as ended. */
  #endSharers(line: number, core: number): void {
    const at = this.#setOf[line]! - 1
    for (let word = 0; word < this.#setWords; word++) {
      let bits = this.#sets[at + word]!
      this.#sets[at + word] = 0
      while (bits !== 0) {
        const sharer = word * 32 + 31 - Math.clz32(bits & -bits)
        bits &= bits - 1
        if (sharer !== core) this.ended[this.endedCount++] = sharer
      }
    }
  }
}

/**
 * Which operation was the last to cover each address: a map from ranges to (worker, operation number).
 *
 * Principle: any number of ranges, each change in the time of a short copy. The ranges are kept in order in leaves of
 * bounded size.
 */

const LEAF = 64

/** Ranges in order; the arrays run side by side. */
class Leaf {
  first: number[] = []
  behind: number[] = []
  worker: number[] = []
  operation: number[] = []

  insert(at: number, first: number, behind: number, worker: number, operation: number): void {
    this.first.splice(at, 0, first)
    this.behind.splice(at, 0, behind)
    this.worker.splice(at, 0, worker)
    this.operation.splice(at, 0, operation)
  }

  remove(at: number): void {
    this.first.splice(at, 1)
    this.behind.splice(at, 1)
    this.worker.splice(at, 1)
    this.operation.splice(at, 1)
  }

  /** The upper half, taken out. */
  split(): Leaf {
    const middle = this.first.length >> 1
    const upper = new Leaf()
    upper.first = this.first.splice(middle)
    upper.behind = this.behind.splice(middle)
    upper.worker = this.worker.splice(middle)
    upper.operation = this.operation.splice(middle)
    return upper
  }
}

export class IntervalMap {
  /** Never empty; a leaf without ranges is alone. */
  readonly #leaves: Leaf[] = [new Leaf()]
  // What `seek` found.
  #leaf = 0
  #index = 0

  /** Number of ranges. */
  get size(): number {
    return this.#leaves.reduce((sum, leaf) => sum + leaf.first.length, 0)
  }

  /** Finds the first range that ends above `first`. */
  #seek(first: number): void {
    const leaves = this.#leaves
    let low = 0
    let high = leaves.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      const { behind } = leaves[middle]!
      if (behind[behind.length - 1]! > first) high = middle
      else low = middle + 1
    }
    const { behind } = leaves[low]!
    let from = 0
    let to = behind.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (behind[middle]! > first) to = middle
      else from = middle + 1
    }
    this.#leaf = low
    this.#index = from
  }

  /** Calls `visit` for each range that overlaps [first, behind), in order. */
  visit(first: number, behind: number, visit: (worker: number, operation: number) => void): void {
    this.#seek(first)
    let index = this.#index
    for (let number = this.#leaf; number < this.#leaves.length; number++) {
      const leaf = this.#leaves[number]!
      for (; index < leaf.first.length; index++) {
        if (leaf.first[index]! >= behind) return
        visit(leaf.worker[index]!, leaf.operation[index]!)
      }
      index = 0
    }
  }

  /** Says that an operation covers [first, behind), in the place of what did before. */
  assign(first: number, behind: number, worker: number, operation: number): void {
    this.#cut(first, behind)
    this.#insert(first, behind, worker, operation)
  }

  #insert(first: number, behind: number, worker: number, operation: number): void {
    this.#seek(first)
    const leaf = this.#leaves[this.#leaf]!
    leaf.insert(this.#index, first, behind, worker, operation)
    if (leaf.first.length > LEAF) this.#leaves.splice(this.#leaf + 1, 0, leaf.split())
  }

  /** Takes [first, behind) out. */
  #cut(first: number, behind: number): void {
    for (;;) {
      this.#seek(first)
      const leaf = this.#leaves[this.#leaf]!
      const index = this.#index
      if (index === leaf.first.length || leaf.first[index]! >= behind) return
      const end = leaf.behind[index]!
      if (leaf.first[index]! < first) {
        leaf.behind[index] = first
        if (end > behind) {
          this.#insert(behind, end, leaf.worker[index]!, leaf.operation[index]!)
          return
        }
      } else if (end > behind) {
        leaf.first[index] = behind
        return
      } else {
        leaf.remove(index)
        if (leaf.first.length === 0 && this.#leaves.length > 1) this.#leaves.splice(this.#leaf, 1)
      }
    }
  }
}

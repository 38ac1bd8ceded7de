// Where a writer stands in the range tree, and what it has in hand there; `ma_state` of the maple tree.

/** Levels of a range tree at most: with nodes not less than 8 entries, 8^10 VMAs. */
export const RANGE_LEVELS_MAX = 10
/** VMAs of a leaf, or children of an inner node. */
export const RANGE_SLOTS = 20

export class RangeWalk {
  /** The level of the root; leaves are level 0. */
  top = 0
  /** On each level the node on the way, and the slot taken there; -1 in a leaf where everything is to the right. */
  readonly nodes = new Int32Array(RANGE_LEVELS_MAX)
  readonly slots = new Int32Array(RANGE_LEVELS_MAX)

  /** Entries on their way into new nodes. */
  readonly keys = new Int32Array(2 * RANGE_SLOTS)
  readonly children = new Int32Array(2 * RANGE_SLOTS)
  readonly gaps = new Int32Array(2 * RANGE_SLOTS)
  count = 0

  /** Nodes that were allocated in advance: two for each level that may split, and a root. */
  readonly spares = new Int32Array(2 * RANGE_LEVELS_MAX + 1)
  spareCount = 0
}

/**
 * Time waited for the mmap lock, as a tree of what the waiting threads were in: the form of a flame graph.
 *
 * Principle: bounded. A tree that has grown to its limit adds what is new to the deepest node that it has.
 */

/** One node: a process, thread, call, or frame of a stack. */
export interface WaitNode {
  readonly name: string
  readonly ns: number
  readonly waits: number
  /** The most time first. */
  readonly children: readonly WaitNode[]
}

class Node {
  ns = 0
  waits = 0
  readonly children = new Map<string, Node>()
}

const MAX_NODES = 20_000
const MAX_DEPTH = 64
/** A node with less than this share of the whole is no node of the result. */
const LEAST_SHARE = 0.001

export class WaitTree {
  readonly #root = new Node()
  #nodes = 1

  /** @param path from the outermost to the innermost */
  add(path: readonly string[], ns: number): void {
    let node = this.#root
    node.ns += ns
    node.waits++
    for (const name of path.slice(0, MAX_DEPTH)) {
      let child = node.children.get(name)
      if (child === undefined) {
        if (this.#nodes >= MAX_NODES) return
        this.#nodes++
        node.children.set(name, (child = new Node()))
      }
      child.ns += ns
      child.waits++
      node = child
    }
  }

  /** The tree without what is too small to see. */
  result(): WaitNode {
    const least = this.#root.ns * LEAST_SHARE
    const resultOf = (name: string, { ns, waits, children }: Node): WaitNode => ({
      name,
      ns,
      waits,
      children: [...children]
        .filter(([, child]) => child.ns > 0 && child.ns >= least)
        .toSorted(([a, one], [b, other]) => other.ns - one.ns || (a < b ? -1 : 1))
        .map(([childName, child]) => resultOf(childName, child)),
    })
    return resultOf('all waits', this.#root)
  }
}

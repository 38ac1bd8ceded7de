// Names of memory in a counterexample: what the source calls it.
//
// If the source says `mm + Mm.mmapSeq`, the cell is `mm.mmapSeq`, wherever else it is used; if it says `ring[TAIL]`,
// it is that. Subjects that know more about the program, such as kernel scenarios, give their own names, which take
// precedence.

/** Names that are known of a program, and what its values mean. */
export interface Naming {
  /** Called before each operation: objects may be new. */
  look(): void
  /** The name of a cell, if it has one. */
  nameOf(cell: number): string | undefined
  /** What a value of the cell means, if it is more than a number. */
  valueOf(cell: number, value: number): string | undefined
}

export class Names {
  readonly #fields = new Map<number, string>()
  readonly #elements = new Map<number, string>()
  /** How many cells have the name. */
  readonly #uses = new Map<string, number>()
  readonly #known: Naming | null

  constructor(known: Naming | null) {
    this.#known = known
  }

  /** The cell is used as element `index` of an array, where the source says `source`. */
  learn(cell: number, index: number, source: string): void {
    this.#known?.look()
    const parts = arrayAndIndex(source)
    if (parts === null) return
    const field = fieldName(parts.index)
    if (field !== null) {
      if (this.#fields.has(cell)) return
      this.#fields.set(cell, field)
      this.#uses.set(field, (this.#uses.get(field) ?? 0) + 1)
    } else if (!this.#elements.has(cell)) {
      const isConstant = /^[A-Z][A-Z0-9_]*$/.test(parts.index)
      this.#elements.set(cell, `${parts.array}[${isConstant ? parts.index : index}]`)
    }
  }

  nameOf(cell: number, index: number): string {
    const known = this.#known?.nameOf(cell)
    if (known !== undefined) return known
    const field = this.#fields.get(cell)
    if (field === undefined) return this.#elements.get(cell) ?? `[${index}]`
    return this.#uses.get(field) === 1 ? field : `${field}@${index}`
  }

  valueOf(cell: number, value: number): string {
    return this.#known?.valueOf(cell, value) ?? String(value)
  }
}

/** `mm.mmapSeq` for `mm + Mm.mmapSeq`, whatever the base is; null where no field of a struct is named. */
function fieldName(index: string): string | null {
  if (index.startsWith('pteAddress(')) return 'pte'
  const match = /(?:^|\+ )([A-Z])(\w*)\.(\w+)$/.exec(index)
  return match && `${match[1]!.toLowerCase()}${match[2]}.${match[3]}`
}

/** The array and the index, as written, of an operation of Atomics or of an access to an element. */
function arrayAndIndex(source: string): { array: string; index: string } | null {
  const call = /^Atomics\.\w+\(/.exec(source)
  if (call !== null) {
    const [array, index] = splitArguments(source.slice(call[0].length))
    return array === undefined || index === undefined ? null : { array: lastPart(array), index }
  }
  const element = /^([\w.#!]+?)!?\[/.exec(source)
  if (element === null) return null
  const [index] = splitArguments(source.slice(element[0].length))
  return index === undefined ? null : { array: lastPart(element[1]!), index }
}

function lastPart(array: string): string {
  return /^[\w.#]+$/.test(array) ? array.slice(array.lastIndexOf('.') + 1) : array
}

/** What stands between commas, up to the bracket that closes. */
function splitArguments(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if ('([{'.includes(character)) depth++
    else if (depth === 0 && ',)]'.includes(character)) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
      if (character !== ',') return parts
    } else if (')]}'.includes(character)) depth--
  }
  return parts
}

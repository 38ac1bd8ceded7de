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

/** As the source calls it, and the cell with which its array begins, if an element is one cell. */
interface Element {
  readonly array: string
  readonly index: string
  readonly start: number
}

export class Names {
  readonly #fields = new Map<number, string>()
  readonly #elements = new Map<number, Element>()
  /** Where arrays begin that the source calls by one name, and whether elements of two have one name. */
  readonly #arrays = new Map<string, { readonly starts: number[]; isAmbiguous: boolean }>()
  readonly #cells = new Map<string, number>()
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
      this.#note(cell, {
        array: parts.array,
        index: isConstant ? parts.index : `${index}`,
        start: cell - index,
      })
    }
  }

  #note(cell: number, element: Element): void {
    this.#elements.set(cell, element)
    const { array, index, start } = element
    let arrays = this.#arrays.get(array)
    if (arrays === undefined) this.#arrays.set(array, (arrays = { starts: [], isAmbiguous: false }))
    if (!arrays.starts.includes(start)) arrays.starts.push(start)
    const name = `${array}[${index}]`
    if (this.#cells.has(name)) arrays.isAmbiguous = true
    this.#cells.set(name, cell)
  }

  /** The second array that the source calls `cells` is `cells₂`, where elements of two would have one name. */
  #elementName(cell: number): string | undefined {
    const element = this.#elements.get(cell)
    if (element === undefined) return undefined
    const { array, index, start } = element
    const { starts, isAmbiguous } = this.#arrays.get(array)!
    const number = starts.indexOf(start) + 1
    return `${array}${isAmbiguous && number > 1 ? subscript(number) : ''}[${index}]`
  }

  nameOf(cell: number, index: number): string {
    const known = this.#known?.nameOf(cell)
    if (known !== undefined) return known
    const field = this.#fields.get(cell)
    if (field === undefined) return this.#elementName(cell) ?? `[${index}]`
    return this.#uses.get(field) === 1 ? field : `${field}@${index}`
  }

  valueOf(cell: number, value: number): string {
    return this.#known?.valueOf(cell, value) ?? String(value)
  }
}

function subscript(number: number): string {
  return String(number).replaceAll(/\d/g, (digit) => String.fromCodePoint(0x20_80 + Number(digit)))
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

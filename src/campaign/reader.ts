// The content of a file from outside, read piece by piece: each piece knows its place, for error messages.

import { nearest } from '../check/index.ts'

/** A campaign that cannot be run. */
export class CampaignRefused extends TypeError {
  override readonly name = 'CampaignRefused'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

/** Longer lists are taken for a slip. */
const LIST_MAX = 100_000
/** So many names that there are fit in a message: more would hide what is wrong. */
const NAMED_MAX = 30

export class Reader {
  /** Undefined where the field is not there. */
  readonly value: unknown
  readonly #file: string
  readonly #place: string

  constructor(value: unknown, file: string, place: string) {
    this.value = value
    this.#file = file
    this.#place = place
  }

  /** The error for this place. */
  refuse(problem: string, remedy: string): CampaignRefused {
    const place = this.#place === '' ? 'the whole' : this.#place
    const words = problem.startsWith(':') ? `${place}${problem}` : `${place} ${problem}`
    return new CampaignRefused(`${this.#file}: ${words}`, remedy)
  }

  field(name: string): Reader {
    const object = this.#object()
    const value = Object.hasOwn(object, name) ? object[name] : undefined
    return new Reader(value, this.#file, this.#place === '' ? name : `${this.#place}.${name}`)
  }

  fields(): [string, Reader][] {
    return Object.keys(this.#object()).map((name) => [name, this.field(name)])
  }

  /** The one of these fields that is there. */
  oneField<Name extends string>(names: readonly Name[]): Name {
    const present = names.filter((name) => this.field(name).value !== undefined)
    if (present.length === 1) return present[0]!
    const what = present.length === 0 ? 'has none' : `has ${present.length}`
    throw this.refuse(`${what} of ${names.join(', ')}`, 'give it one of them')
  }

  /** Refuses fields of other names: one that is misspelt would be passed over in silence. */
  onlyFields(names: readonly string[]): void {
    for (const [name] of this.fields()) this.known(name, names, 'field')
  }

  known(name: string, names: readonly string[], noun: string): void {
    if (names.includes(name)) return
    const near = nearest(name, names)
    const hint = near === undefined ? '' : `did you mean '${near}'? `
    const more = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : ''
    const remedy = `${hint}There is ${names.slice(0, NAMED_MAX).join(', ')}${more}`
    throw this.refuse(`has an unknown ${noun} '${name}'`, remedy)
  }

  list(): Reader[] {
    const items = this.items()
    if (items.length === 0) throw this.refuse('is no list', 'give it as [ … ], not empty')
    return items
  }

  /** Of a list that may be empty. */
  items(): Reader[] {
    const { value } = this
    if (!Array.isArray(value)) throw this.refuse('is no list', 'give it as [ … ], not empty')
    if (value.length > LIST_MAX) throw this.refuse(`has more than ${LIST_MAX} entries`, 'give it fewer')
    return value.map((each, index) => new Reader(each, this.#file, `${this.#place}[${index}]`))
  }

  /** Names of `known`, each once; 'all' stands for all of them. */
  names<Name extends string>(known: readonly Name[], noun: string, usual?: readonly Name[]): Name[] {
    if (this.value === 'all') return [...known]
    if (this.value === undefined && usual !== undefined) return [...usual]
    const names = this.list().map((each) => each.text())
    for (const name of names) this.known(name, known, noun)
    return [...new Set(names as Name[])]
  }

  oneOf<Name extends string>(known: readonly Name[], noun: string): Name {
    const name = this.text()
    this.known(name, known, noun)
    return name as Name
  }

  text(): string {
    if (typeof this.value === 'string' && this.value !== '') return this.value
    throw this.refuse('is no text', 'give a text in quotes')
  }

  flag(usual?: boolean): boolean {
    const value = this.value ?? usual
    if (typeof value === 'boolean') return value
    throw this.refuse('is neither true nor false', 'give one of them')
  }

  number(least: number, most: number, usual?: number): number {
    const value = this.value ?? usual
    if (typeof value === 'number' && value >= least && value <= most) return value
    throw this.refuse('is not usable', `give a number of ${least} to ${most}`)
  }

  whole(least: number, most: number, usual?: number): number {
    const value = this.number(least, most, usual)
    if (Number.isInteger(value)) return value
    throw this.refuse('is not usable', `give a whole number of ${least} to ${most}`)
  }

  wholes(least: number, most: number, usual: readonly number[]): number[] {
    if (this.value === undefined) return [...usual]
    return [...new Set(this.list().map((each) => each.whole(least, most)))]
  }

  #object(): Record<string, unknown> {
    const { value } = this
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
    throw this.refuse('is no object', 'see docs/campaigns.md for its shape')
  }
}

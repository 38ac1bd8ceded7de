// What a value is made of, in words: equal for states that were made in the same way, in two loads of one program.
// Functions and what objects hide are not compared.

const NODES_MAX = 20_000

/** Null where there is too much of it to compare. */
export function stateDigest(value: unknown): string | null {
  const seen = new Map<object, number>()
  const parts: string[] = []
  const visit = (each: unknown): void => {
    if (parts.length > NODES_MAX) return
    if (typeof each === 'function') parts.push('function')
    else if (typeof each !== 'object' || each === null) parts.push(`${typeof each} ${String(each)}`)
    else if (seen.has(each)) parts.push(`#${seen.get(each)}`)
    else {
      seen.set(each, seen.size)
      visitObject(each, parts, visit)
    }
  }
  visit(value)
  return parts.length > NODES_MAX ? null : parts.join('\n')
}

function visitObject(object: object, parts: string[], visit: (value: unknown) => void): void {
  // By its tag: it may come from another realm, as in the tests of some frameworks.
  const tag = Object.prototype.toString.call(object).slice(8, -1)
  parts.push(tag === 'Object' ? className(object) : tag)
  if (tag.endsWith('ArrayBuffer')) {
    parts.push(Buffer.from(object as ArrayBuffer).toString('base64'))
    return
  }
  if (ArrayBuffer.isView(object)) {
    parts.push(`${object.byteOffset} ${object.byteLength}`)
    visit(object.buffer)
    return
  }
  if (tag === 'Map' || tag === 'Set') for (const entry of object as Iterable<unknown>) visit(entry)
  for (const key of Object.keys(object)) {
    const property = Object.getOwnPropertyDescriptor(object, key)!
    parts.push(key)
    if ('value' in property) visit(property.value)
  }
}

function className(object: object): string {
  const { constructor } = object as { constructor?: unknown }
  return typeof constructor === 'function' ? constructor.name : 'Object'
}

// Bytes and the texts in them, wherever it runs: a page has no Buffer.

const encoder = new TextEncoder()
/** What begins with a byte order mark keeps it. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

export function utf8(bytes: Uint8Array): string {
  return decoder.decode(bytes)
}

/** Each byte as the character of its number. For short texts. */
export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text)
}

export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

/** The last part of a path, as `path.posix.basename` gives it. */
export function fileName(path: string): string {
  return path.replace(/\/+$/, '').replace(/^.*\//s, '')
}

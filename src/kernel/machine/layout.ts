// Struct layouts of the kernel heap.
//
// A struct is a run of 32-bit words; its pointer is the index of its first word in the heap, and 0 is the null
// pointer. A layout is declared once, as an object of word offsets: `heap[vma + Vma.vmStart]`. The object is a
// constant of its module, so that the compiler folds the offset into the instruction, and it is registered here, so
// that tools can name every word.

export interface LayoutDescription {
  readonly name: string
  readonly words: number
  readonly fields: Readonly<Record<string, number>>
}

const registered: LayoutDescription[] = []

/** Every struct layout of the kernel, for tools that name words of the heap. */
export const layouts: readonly LayoutDescription[] = registered

/**
 * Words in a cache line (64 bytes). Objects that several CPUs write are aligned to it, as `____cacheline_aligned`
 * does.
 */
export const CACHE_LINE_WORDS = 16

/** Declares a struct: its name, its size in words and the offset of each field in words. */
export function layout<const Fields extends Record<string, number>>(
  name: string,
  words: number,
  fields: Fields,
): Fields {
  registered.push({ name, words, fields })
  return fields
}

/** Rounds a number of words up to whole cache lines. */
export function cacheLineAlign(words: number): number {
  return (words + CACHE_LINE_WORDS - 1) & -CACHE_LINE_WORDS
}

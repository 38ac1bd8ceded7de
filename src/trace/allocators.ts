// What gives memory to a program, as the libraries tell that it maps: each has settings of its own.
import { fileName } from './bytes.ts'

/**
 * A program with none of these has an allocator that is linked into it. `reserved`: most memory was given back by
 * unmapping ranges of which hardly anything had been used, as WebAssembly memories are.
 */
export type Allocator = 'reserved' | 'java' | 'go' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'musl' | 'glibc'

/** A function of Go's runtime, which is linked into every program. */
export const GO_FUNCTION = /^runtime\.[a-z]/

const LIBRARIES: readonly (readonly [RegExp, Allocator])[] = [
  [/^libjvm\.so/, 'java'],
  [/^libjemalloc/, 'jemalloc'],
  [/^libtcmalloc/, 'tcmalloc'],
  [/^libmimalloc/, 'mimalloc'],
  [/^(?:ld-musl|libc\.musl)/, 'musl'],
  [/^libc(?:-[\d.]+)?\.so/, 'glibc'],
]

/** The allocator that a file is; undefined where it is none. */
export function allocatorOf(path: string): Allocator | undefined {
  const name = fileName(path)
  return LIBRARIES.find(([pattern]) => pattern.test(name))?.[1]
}

/** Those that decide, the first first: what takes the place of malloc comes before the C library. */
export function inOrder(all: ReadonlySet<Allocator>): Allocator[] {
  return ['reserved' as const, 'go' as const, ...LIBRARIES.map(([, name]) => name)].filter((name) =>
    all.has(name),
  )
}

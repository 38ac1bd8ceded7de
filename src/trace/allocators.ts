// What gives memory to a program, as the libraries tell that it maps: each has settings of its own.
import { fileName } from './bytes.ts'

/**
 * A program with none of these has an allocator that is linked into it. `reserved`: most memory was given back by
 * unmapping ranges of which hardly anything had been used, as WebAssembly memories are.
 */
export type Allocator = 'reserved' | 'java' | 'go' | 'jemalloc' | 'tcmalloc' | 'mimalloc' | 'musl' | 'glibc'

/** A function of Go's runtime, which is linked into every program. */
export const GO_FUNCTION = /^runtime\.[a-z]/

/** Functions of Go's collector of garbage. */
const GO_COLLECTOR =
  /^runtime\.(?:gc|scan|mark|sweep|bgsweep|greyobject|findObject|heapBits|wbBuf|\(\*(?:gcWork|gcBits|sweepLocked|mspan)\))/
/** Threads of Java's collectors, as HotSpot names them. */
const JAVA_COLLECTOR =
  /^(?:GC Thread#|G1 |ParGC|Concurrent Mark|Shenandoah|ZWorker|XWorker|ZDriver|ZDirector)/

/** Whether a CPU collects garbage that runs a function, '' for none that is known, in a thread of this name. */
export function isCollecting(symbol: string, comm: string): boolean {
  return GO_COLLECTOR.test(symbol) || JAVA_COLLECTOR.test(comm)
}

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

// What gives memory to a program, as the libraries tell that it maps: each has settings of its own.
import { fileName } from './bytes.ts'

/**
 * A program with none of these has an allocator that is linked into it. `reserved`: most memory was given back by
 * unmapping ranges of which hardly anything had been used, as WebAssembly memories are.
 */
export type Allocator =
  | 'reserved'
  | 'java'
  | 'go'
  | 'php'
  | 'erlang'
  | 'jemalloc'
  | 'tcmalloc'
  | 'mimalloc'
  | 'python'
  | 'musl'
  | 'glibc'

/** A function of Go's runtime, which is linked into every program. */
export const GO_FUNCTION = /^runtime\.[a-z]/

/** Functions of Go's collector of garbage. */
const GO_COLLECTOR =
  /^runtime\.(?:gc|scan|mark|sweep|bgsweep|greyobject|findObject|heapBits|wbBuf|\(\*(?:gc|sweep))/
/** Threads of Java's collectors, as HotSpot names them: nobody's secret. */
export const JAVA_COLLECTOR =
  /^(?:GC Thread#\d+|G1 (?:Conc|Refine)#\d+|G1 Main Marker|G1 Service|ParGC Thread#\d+|ZWorker\w*#\d+|Shenandoah GC)$/

/** Whether a CPU collects garbage that runs a function, '' for none that is known, in a thread of this name. */
export function isCollecting(symbol: string, comm: string): boolean {
  return GO_COLLECTOR.test(symbol) || JAVA_COLLECTOR.test(comm)
}

const LIBRARIES: readonly (readonly [RegExp, Allocator, library: string])[] = [
  [/^libjvm\.so/, 'java', 'libjvm.so'],
  [/^(?:lib)?php(?:-\w+)?[\d.]*(?:\.so)?$/, 'php', 'php'],
  [/^beam(?:\.\w+)?$/, 'erlang', 'beam.smp'],
  [/^libjemalloc/, 'jemalloc', 'libjemalloc'],
  [/^libtcmalloc/, 'tcmalloc', 'libtcmalloc'],
  [/^libmimalloc/, 'mimalloc', 'libmimalloc'],
  [/^(?:lib)?python[\d.]+(?:\.so[\d.]*)?$/, 'python', 'python3'],
  [/^(?:ld-musl|libc\.musl)/, 'musl', 'ld-musl'],
  [/^libc(?:-[\d.]+)?\.so/, 'glibc', 'libc.so'],
]

/** The allocator that a file is, and what every such file may be called; undefined where it is none. */
export function allocatorOf(
  path: string,
): { readonly allocator: Allocator; readonly library: string } | undefined {
  const name = fileName(path)
  const found = LIBRARIES.find(([pattern]) => pattern.test(name))
  return found === undefined ? undefined : { allocator: found[1], library: found[2] }
}

/** All, the one that decides first: what takes the place of malloc comes before the C library. */
export const ALLOCATORS: readonly Allocator[] = ['reserved', 'go', ...LIBRARIES.map(([, name]) => name)]

export function inOrder(all: ReadonlySet<Allocator>): Allocator[] {
  return ALLOCATORS.filter((name) => all.has(name))
}

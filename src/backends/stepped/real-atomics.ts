// The operations of `Atomics` themselves, and who else may do them.
//
// While threads of a program run, nobody does but the runtime: code that is not stepped, such as what is made of a
// text, would do them unseen.

const names = Object.getOwnPropertyNames(Atomics).filter(
  (name) =>
    typeof (Atomics as unknown as Record<string, unknown>)[name] === 'function' && name !== 'isLockFree',
)

type Operation = (...args: readonly unknown[]) => unknown
const all = Atomics as unknown as Record<string, Operation>
const originals = names.map((name) => all[name]!)

const unguarded: typeof Atomics = Object.freeze(
  Object.fromEntries(names.map((name, index) => [name, originals[index]])),
) as unknown as typeof Atomics

/** `Atomics` as it is for the runtime. */
export let real: typeof Atomics = Atomics

/** Whether programs are guarded that run from now on: see guard(). */
let guards = false
let refusing: readonly Operation[] | null = null

/** `refuse` is called where an operation on shared memory is done unseen; null where none is refused. */
export function setGuard(refuse: ((operation: string) => void) | null): void {
  guards = refuse !== null
  if (refuse === null) return
  refusing = originals.map((operation, index) => (...args) => {
    const [array] = args
    if (!ArrayBuffer.isView(array) || array.buffer instanceof ArrayBuffer) return operation(...args)
    refuse(names[index]!)
    return operation(...args)
  })
}

/** What they were when guard() was called. */
const before: Operation[] = []

/** Lets nobody do operations on shared memory but by `real`, until unguard(). */
export function guard(): void {
  if (!guards) return
  real = unguarded
  names.forEach((name, index) => {
    before[index] = all[name]!
    all[name] = refusing![index]!
  })
}

export function unguard(): void {
  if (!guards) return
  real = Atomics
  names.forEach((name, index) => (all[name] = before[index]!))
}

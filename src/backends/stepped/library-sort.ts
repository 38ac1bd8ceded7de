// `sort` with a function that can stop. The engine is free in which elements it compares when: here they are compared
// in the order in which V8 does it (third_party/v8/builtins/array-sort.tq and builtins/typed-array-sort.tq, V8 13.6),
// so that what the function does comes in the order of a run without the checker.

type Compare = (this: unknown, a: unknown, b: unknown) => unknown

/** What is compared, and how soon a merge gallops. */
interface Sorting {
  readonly work: unknown[]
  readonly compare: Compare
  minGallop: number
  /** The sorted runs that are not merged yet: where each begins, and how long it is. */
  readonly runs: { base: number; length: number }[]
}

const GALLOP_WINS = 7

function order({ compare }: Pick<Sorting, 'compare'>, a: unknown, b: unknown): number {
  const result = Number(compare.call(undefined, a, b))
  return Number.isNaN(result) ? 0 : result
}

/** Sorts `work`, which holds nothing undefined, as arrays are sorted: timsort. */
export function timsort(work: unknown[], compare: Compare): void {
  if (work.length < 2) return
  const sorting: Sorting = { work, compare, minGallop: GALLOP_WINS, runs: [] }
  const minimum = minimumRun(work.length)
  for (let low = 0; low < work.length;) {
    const left = work.length - low
    let length = makeRun(sorting, low, work.length)
    if (length < minimum) {
      const forced = Math.min(minimum, left)
      insert(sorting, low, low + length, low + forced)
      length = forced
    }
    sorting.runs.push({ base: low, length })
    collapse(sorting)
    low += length
  }
  collapseAll(sorting)
}

function minimumRun(length: number): number {
  let n = length
  let rest = 0
  while (n >= 64) {
    rest |= n & 1
    n >>= 1
  }
  return n + rest
}

/** How many elements from `start` on are in order, or were in the opposite one, and are turned round. */
function makeRun(sorting: Sorting, start: number, end: number): number {
  const { work } = sorting
  if (start + 1 === end) return 1
  let length = 2
  const descends = order(sorting, work[start + 1], work[start]) < 0
  for (let index = start + 2; index < end; index++) {
    const is = order(sorting, work[index], work[index - 1])
    if (descends ? is >= 0 : is < 0) break
    length++
  }
  if (descends)
    for (let low = start, high = start + length - 1; low < high; low++, high--) {
      const element = work[low]
      work[low] = work[high]
      work[high] = element
    }
  return length
}

/** Binary insertion: from `low` to `first` all is sorted already. */
function insert(sorting: Sorting, low: number, first: number, high: number): void {
  const { work } = sorting
  for (let start = first === low ? low + 1 : first; start < high; start++) {
    const pivot = work[start]
    let left = low
    let right = start
    while (left < right) {
      const middle = left + ((right - left) >> 1)
      if (order(sorting, pivot, work[middle]) < 0) right = middle
      else left = middle + 1
    }
    work.copyWithin(left + 1, left, start)
    work[left] = pivot
  }
}

function holds(runs: Sorting['runs'], n: number): boolean {
  return n < 2 || runs[n - 2]!.length > runs[n - 1]!.length + runs[n]!.length
}

function collapse(sorting: Sorting): void {
  const { runs } = sorting
  while (runs.length > 1) {
    let n = runs.length - 2
    if (!holds(runs, n + 1) || !holds(runs, n)) {
      if (runs[n - 1]!.length < runs[n + 1]!.length) n--
      mergeAt(sorting, n)
    } else if (runs[n]!.length <= runs[n + 1]!.length) mergeAt(sorting, n)
    else return
  }
}

function collapseAll(sorting: Sorting): void {
  const { runs } = sorting
  while (runs.length > 1) {
    let n = runs.length - 2
    if (n > 0 && runs[n - 1]!.length < runs[n + 1]!.length) n--
    mergeAt(sorting, n)
  }
}

function mergeAt(sorting: Sorting, n: number): void {
  const { runs, work } = sorting
  const [a, b] = [runs[n]!, runs[n + 1]!]
  runs.splice(n, 2, { base: a.base, length: a.length + b.length })
  // What stands in A before the first of B stays where it is.
  const before = gallop(sorting, 'right', work, work[b.base], a.base, a.length, 0)
  const base = a.base + before
  const length = a.length - before
  if (length === 0) return
  const taken = gallop(sorting, 'left', work, work[base + length - 1], b.base, b.length, b.length - 1)
  if (taken === 0) return
  if (length <= taken) mergeLow(sorting, length, taken, base, b.base)
  else mergeHigh(sorting, length, taken, base, b.base)
}

/**
 * Where `key` belongs in what is sorted: before those that are equal (`gallopLeft`), or behind them (`gallopRight`).
 * The search begins at `hint`.
 */
function gallop(
  sorting: Sorting,
  side: 'left' | 'right',
  array: readonly unknown[],
  key: unknown,
  base: number,
  length: number,
  hint: number,
): number {
  const isBefore = (index: number): boolean =>
    side === 'left'
      ? order(sorting, array[base + index], key) < 0
      : order(sorting, key, array[base + index]) >= 0
  let last = 0
  let offset = 1
  if (isBefore(hint)) {
    const most = length - hint
    while (offset < most && isBefore(hint + offset)) {
      last = offset
      offset = (offset << 1) + 1
    }
    last += hint
    offset = Math.min(offset, most) + hint
  } else {
    const most = hint + 1
    while (offset < most && !isBefore(hint - offset)) {
      last = offset
      offset = (offset << 1) + 1
    }
    const before = last
    last = hint - Math.min(offset, most)
    offset = hint - before
  }
  last++
  while (last < offset) {
    const middle = last + ((offset - last) >> 1)
    if (isBefore(middle)) last = middle + 1
    else offset = middle
  }
  return offset
}

function copy(from: readonly unknown[], at: number, to: unknown[], target: number, count: number): void {
  const elements = from.slice(at, at + count)
  for (let index = 0; index < count; index++) to[target + index] = elements[index]
}

/** A stands before B, and is no longer. */
function mergeLow(sorting: Sorting, countA: number, countB: number, baseA: number, baseB: number): void {
  const { work } = sorting
  const a = work.slice(baseA, baseA + countA)
  let [leftA, leftB, target, atA, atB] = [countA, countB, baseA, 0, baseB]
  const takeB = (): number => {
    work[target++] = work[atB++]
    return --leftB
  }
  const takeA = (): number => {
    work[target++] = a[atA++]
    return --leftA
  }
  const endWithA = (): void => copy(a, atA, work, target, leftA)
  const endWithB = (): void => {
    copy(work, atB, work, target, leftB)
    work[target + leftB] = a[atA]
  }
  if (takeB() === 0) return endWithA()
  if (leftA === 1) return endWithB()
  let { minGallop } = sorting
  for (;;) {
    let [winsA, winsB] = [0, 0]
    while (winsA < minGallop && winsB < minGallop) {
      if (order(sorting, work[atB], a[atA]) < 0) {
        winsB++
        winsA = 0
        if (takeB() === 0) return endWithA()
      } else {
        winsA++
        winsB = 0
        if (takeA() === 1) return endWithB()
      }
    }
    minGallop++
    do {
      minGallop = Math.max(1, minGallop - 1)
      sorting.minGallop = minGallop
      winsA = gallop(sorting, 'right', a, work[atB], atA, leftA, 0)
      if (winsA > 0) {
        copy(a, atA, work, target, winsA)
        target += winsA
        atA += winsA
        leftA -= winsA
        if (leftA === 1) return endWithB()
        // Only where the function contradicts itself.
        if (leftA === 0) return endWithA()
      }
      if (takeB() === 0) return endWithA()
      winsB = gallop(sorting, 'left', work, a[atA], atB, leftB, 0)
      if (winsB > 0) {
        copy(work, atB, work, target, winsB)
        target += winsB
        atB += winsB
        leftB -= winsB
        if (leftB === 0) return endWithA()
      }
      if (takeA() === 1) return endWithB()
    } while (winsA >= GALLOP_WINS || winsB >= GALLOP_WINS)
    minGallop++
    sorting.minGallop = minGallop
  }
}

/** B is the shorter one: from the end on. */
function mergeHigh(sorting: Sorting, countA: number, countB: number, baseA: number, baseB: number): void {
  const { work } = sorting
  const b = work.slice(baseB, baseB + countB)
  let [leftA, leftB] = [countA, countB]
  let [target, atA, atB] = [baseB + countB - 1, baseA + countA - 1, countB - 1]
  const takeA = (): number => {
    work[target--] = work[atA--]
    return --leftA
  }
  const takeB = (): number => {
    work[target--] = b[atB--]
    return --leftB
  }
  const endWithB = (): void => copy(b, 0, work, target - (leftB - 1), leftB)
  const endWithA = (): void => {
    target -= leftA
    atA -= leftA
    copy(work, atA + 1, work, target + 1, leftA)
    work[target] = b[atB]
  }
  if (takeA() === 0) return endWithB()
  if (leftB === 1) return endWithA()
  let { minGallop } = sorting
  for (;;) {
    let [winsA, winsB] = [0, 0]
    while (winsA < minGallop && winsB < minGallop) {
      if (order(sorting, b[atB], work[atA]) < 0) {
        winsA++
        winsB = 0
        if (takeA() === 0) return endWithB()
      } else {
        winsB++
        winsA = 0
        if (takeB() === 1) return endWithA()
      }
    }
    minGallop++
    do {
      minGallop = Math.max(1, minGallop - 1)
      sorting.minGallop = minGallop
      winsA = leftA - gallop(sorting, 'right', work, b[atB], baseA, leftA, leftA - 1)
      if (winsA > 0) {
        target -= winsA
        atA -= winsA
        copy(work, atA + 1, work, target + 1, winsA)
        leftA -= winsA
        if (leftA === 0) return endWithB()
      }
      if (takeB() === 1) return endWithA()
      winsB = leftB - gallop(sorting, 'left', b, work[atA], 0, leftB, leftB - 1)
      if (winsB > 0) {
        target -= winsB
        atB -= winsB
        copy(b, atB + 1, work, target + 1, winsB)
        leftB -= winsB
        if (leftB === 1) return endWithA()
        // Only where the function contradicts itself.
        if (leftB === 0) return endWithB()
      }
      if (takeA() === 0) return endWithB()
    } while (winsA >= GALLOP_WINS || winsB >= GALLOP_WINS)
    minGallop++
    sorting.minGallop = minGallop
  }
}

/** Sorts `work` as typed arrays are sorted: halves, merged. */
export function mergeSort(work: unknown[], compare: Compare): void {
  if (work.length >= 2) halves([...work], 0, work.length, work, compare)
}

/** Of both arrays, which hold the same, `target` is sorted. */
function halves(source: unknown[], from: number, to: number, target: unknown[], compare: Compare): void {
  const middle = from + ((to - from) >> 1)
  if (middle - from > 1) halves(target, from, middle, source, compare)
  if (to - middle > 1) halves(target, middle, to, source, compare)
  let [left, right] = [from, middle]
  for (let at = from; at < to; at++) {
    const takesLeft = left < middle && (right >= to || order({ compare }, source[left], source[right]) <= 0)
    target[at] = takesLeft ? source[left++] : source[right++]
  }
}

import assert from 'node:assert/strict'
import {
  Subject,
  concatMap,
  firstValueFrom,
  from,
  interval,
  lastValueFrom,
  merge,
  take,
  timer,
  toArray,
} from 'rxjs'

const doubled = from([1, 2, 3]).pipe(
  concatMap(async (n) => n * 2),
  toArray(),
)
assert.deepEqual(await lastValueFrom(doubled), [2, 4, 6])
assert.deepEqual(await firstValueFrom(interval(1).pipe(take(2), toArray())), [0, 1])
const subject = new Subject()
const all = lastValueFrom(merge(subject, timer(1)).pipe(toArray()))
subject.next('x')
subject.complete()
assert.deepEqual(await all, ['x', 0])

// Where the addresses of all address spaces of a replay go.
import type { RangeSet } from './layout.ts'
import { readChunks } from './op-store.ts'
import type { PlanSource } from './plan-types.ts'
import {
  CALL_LENGTH,
  CALL_SECOND_ADDRESS,
  CALL_SECOND_LENGTH,
  fromWords,
  isMarker,
  RECORD_BRK,
  RECORD_FAULT,
  RECORD_FILE_FAULT,
  RECORD_REMAP,
  RECORD_STACK_FAULT,
  RECORD_WORDS,
} from './records.ts'
import { Relocation } from './relocation.ts'

/**
 * Where the addresses of each address space go. Those that share a history by fork go to the same places, as a copy has
 * everything where the original has it.
 */
export function relocate(source: PlanSource): Relocation[] {
  const known = new Map<RangeSet, Relocation>()
  return source.images.map(({ extents }) => {
    let relocation = known.get(extents)
    if (relocation === undefined) {
      relocation = Relocation.create([...extents.ranges()], () => pointsOf(source, extents))
      known.set(extents, relocation)
    }
    return relocation
  })
}

/** Every address that an operation in address spaces with these extents names. */
function* pointsOf(source: PlanSource, extents: RangeSet): Generator<number> {
  const { images, seats, records } = source
  for (const { words, length } of readChunks(records)) {
    for (let at = 0; at < length; at += RECORD_WORDS[words[at]! & 0xff]!) {
      const kind = words[at]! & 0xff
      const { image } = seats[words[at + 1]!]!
      if (isMarker(kind) || image < 0 || images[image]!.extents !== extents) continue
      const address = fromWords(words[at + 2]!, words[at + 3]!)
      yield address
      if (kind === RECORD_FAULT || kind === RECORD_FILE_FAULT || kind === RECORD_STACK_FAULT) continue
      const covered = fromWords(words[at + CALL_LENGTH]!, words[at + CALL_LENGTH + 1]!)
      if (covered > 0) yield address + covered - 1
      const second = fromWords(words[at + CALL_SECOND_ADDRESS]!, words[at + CALL_SECOND_ADDRESS + 1]!)
      if (kind === RECORD_REMAP) {
        yield second
        yield second + fromWords(words[at + CALL_SECOND_LENGTH]!, words[at + CALL_SECOND_LENGTH + 1]!) - 1
      } else if (kind === RECORD_BRK) {
        yield second
      }
    }
  }
  for (const image of images) {
    if (image.extents !== extents) continue
    for (const { start, end } of image.prelude) {
      yield start
      yield end - 1
    }
  }
}

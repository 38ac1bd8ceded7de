// What the detectors know of each place of the kernel, from its file and its text.

import type { Site } from '../../backends/stepped/index.ts'
import { kernelPath } from '../kernel-path.ts'

/** What faults copy of a VMA. */
const VMA_FIELD = String.raw`\w+ \+ Vma\.(vmStart|vmEnd|vmFlags|vmPgoff|vmFile|anonVma)`
/** A write to it; `Atomics.load` has no third argument. */
const writesVma = new RegExp(
  String.raw`Atomics\.\w+\([^,]*, ${VMA_FIELD},|\[${VMA_FIELD}\] ([-+|&]?=(?!=)|\+\+|--)`,
)
/** Gives a VMA its first anon_vma under the lock of the upper page tables, with no writer at work. */
const FIRST_ANON_VMA = 'setFirstAnonVma'

/** What the detectors know of the places of a program. */
export interface DetectorPlaces {
  /** 0 unless it may touch what is free. */
  readonly allocators: Uint8Array
  /** 1 if it writes to a field of a VMA. */
  readonly vmaWriters: Uint8Array
  /** Some place in the frame allocator. */
  readonly freeingSite: number
}

const knownPlaces = new WeakMap<readonly Site[], DetectorPlaces>()

/** The same for all explorations of a kernel: it runs no code that is found only then. */
export function placesOf(sites: readonly Site[]): DetectorPlaces {
  const present = knownPlaces.get(sites)
  if (present?.allocators.length === sites.length) return present
  const places = {
    allocators: Uint8Array.from(sites, ({ file }) => {
      const path = kernelPath(file)
      return path === null || path === 'memory/slab.ts' || path === 'memory/page-alloc.ts' ? 1 : 0
    }),
    vmaWriters: Uint8Array.from(sites, ({ function: name, source }) =>
      name !== FIRST_ANON_VMA && writesVma.test(source) ? 1 : 0,
    ),
    freeingSite: sites.findIndex(({ function: name }) => name === 'freeFrame'),
  }
  knownPlaces.set(sites, places)
  return places
}

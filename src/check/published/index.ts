// The designs as published, each with its errors; the kernel has the fixed forms. They extend the kernel's designs
// where those differ from their source, and are stepped together with the kernel. published-flaws.ts says what finds
// each error.

import { type Design, Lespinasse2021, Lespinasse2021File } from '../../kernel/index.ts'
import { Dufour2017Published, Dufour2018Published, Dufour2019Published } from './dufour.ts'
import { Kamezawa2009RefcountPublished, Kamezawa2009VersionPublished } from './kamezawa.ts'
import { observedUnlocked, observedUntilGivenUp } from './observers.ts'
import { PerVmaLock2023Published, PerVmaRefcount2025Published } from './per-vma.ts'
import { Zijlstra2010Published, Zijlstra2014Published } from './zijlstra.ts'

const published: readonly Design[] = [
  Object.assign(new Kamezawa2009VersionPublished(), observedUnlocked),
  Object.assign(new Kamezawa2009RefcountPublished(), observedUnlocked),
  Object.assign(new Zijlstra2010Published(), observedUnlocked),
  Object.assign(new Zijlstra2014Published(), observedUntilGivenUp),
  Object.assign(new Dufour2017Published(), observedUntilGivenUp),
  Object.assign(new Dufour2018Published(), observedUntilGivenUp),
  Object.assign(new Dufour2019Published(), observedUntilGivenUp),
  Object.assign(new Lespinasse2021(), observedUntilGivenUp),
  Object.assign(new Lespinasse2021File(), observedUntilGivenUp),
  new PerVmaLock2023Published(),
  new PerVmaRefcount2025Published(),
]

/** The published form of a design; the design itself if nothing had to be fixed. */
export function publishedDesign(design: Design): Design {
  const { name } = design.description
  return published.find(({ description }) => description.name === name) ?? design
}

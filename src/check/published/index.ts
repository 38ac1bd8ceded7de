// The designs as they were published, each with its errors: what the kernel has is mended. They extend its designs
// where those differ from their source, and are stepped together with the kernel. published-flaws.ts says what finds
// each.

import type { Design } from '../../kernel/index.ts'
import { Dufour2017Published, Dufour2018Published, Dufour2019Published } from './dufour.ts'
import { Kamezawa2009RefcountPublished, Kamezawa2009VersionPublished } from './kamezawa.ts'
import { Lespinasse2021FilePublished, Lespinasse2021Published } from './lespinasse.ts'
import { PerVmaLock2023Published, PerVmaRefcount2025Published } from './per-vma.ts'
import { Zijlstra2010Published, Zijlstra2014Published } from './zijlstra.ts'

const published: readonly Design[] = [
  new Kamezawa2009VersionPublished(),
  new Kamezawa2009RefcountPublished(),
  new Zijlstra2010Published(),
  new Zijlstra2014Published(),
  new Dufour2017Published(),
  new Dufour2018Published(),
  new Dufour2019Published(),
  new Lespinasse2021Published(),
  new Lespinasse2021FilePublished(),
  new PerVmaLock2023Published(),
  new PerVmaRefcount2025Published(),
]

/** The published form of a design; itself where nothing had to be mended. */
export function publishedDesign(design: Design): Design {
  const { name } = design.description
  return published.find(({ description }) => description.name === name) ?? design
}

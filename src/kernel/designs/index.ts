// Every design, in the order of the machine header's number. Adding one is adding its file and a line here.

import type { Design } from '../fault/design.ts'
import { Classic } from './classic.ts'
import { Dufour2017 } from './dufour-2017.ts'
import { Dufour2018 } from './dufour-2018.ts'
import { Dufour2019 } from './dufour-2019.ts'
import { HazardVma } from './hazard-vma.ts'
import { Kamezawa2009Refcount } from './kamezawa-2009-refcount.ts'
import { Kamezawa2009Version } from './kamezawa-2009-version.ts'
import { LeafSlots } from './leaf-slots.ts'
import { Lespinasse2021 } from './lespinasse-2021.ts'
import { Lespinasse2021File } from './lespinasse-2021-file.ts'
import { Lespinasse2022 } from './lespinasse-2022.ts'
import { PerVmaLock2023 } from './per-vma-lock-2023.ts'
import { PerVmaRefcount2025 } from './per-vma-refcount-2025.ts'
import { Zijlstra2010 } from './zijlstra-2010.ts'
import { Zijlstra2014 } from './zijlstra-2014.ts'

export const designs: readonly Design[] = [
  new Classic(),
  new Kamezawa2009Version(),
  new Kamezawa2009Refcount(),
  new Zijlstra2010(),
  new Zijlstra2014(),
  new Dufour2017(),
  new Dufour2018(),
  new Dufour2019(),
  new Lespinasse2021(),
  new Lespinasse2021File(),
  new Lespinasse2022(),
  new PerVmaLock2023(),
  new PerVmaRefcount2025(),
  new LeafSlots(),
  new HazardVma(),
]

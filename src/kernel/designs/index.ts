// Every design, in the order of the machine header's number. Adding one is adding its file and a line here.

import type { Design } from '../mm/design.ts'
import { Classic } from './classic.ts'
import { Lespinasse2021 } from './lespinasse-2021.ts'

export const designs: readonly Design[] = [new Classic(), new Lespinasse2021()]

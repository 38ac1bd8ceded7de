// The machines that there are.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { fsb2009 } from './fsb-2009.ts'
import { guest16 } from './guest-16.ts'
import { haswell2s } from './haswell-2s.ts'
import { here } from './here.ts'
import { icelake2s } from './icelake-2s.ts'
import { numa56 } from './numa-56.ts'
import { pixel6 } from './pixel-6.ts'
import { power8 } from './power8-80.ts'
import { rome2s } from './rome-2s.ts'
import { skylake2s } from './skylake-2s.ts'
import { graviton2, skylakeClient } from './small.ts'
import { westmere2s } from './westmere-2s.ts'

export const machines: readonly MachineModel[] = [
  here,
  fsb2009,
  westmere2s,
  haswell2s,
  broadwell2s,
  skylake2s,
  icelake2s,
  rome2s,
  numa56,
  guest16,
  power8,
  pixel6,
  skylakeClient,
  graviton2,
]

export function findMachine(name: string): MachineModel | undefined {
  return machines.find((machine) => machine.name === name)
}

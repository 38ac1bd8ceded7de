// The machines that there are.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'
import { guest16 } from './guest-16.ts'
import { here } from './here.ts'
import { icelake2s } from './icelake-2s.ts'
import { numa56 } from './numa-56.ts'
import { rome2s } from './rome-2s.ts'
import { skylake2s } from './skylake-2s.ts'
import { graviton2, skylakeClient } from './small.ts'
import { westmere2s } from './westmere-2s.ts'

export const machines: readonly MachineModel[] = [
  here,
  westmere2s,
  broadwell2s,
  skylake2s,
  icelake2s,
  rome2s,
  numa56,
  guest16,
  skylakeClient,
  graviton2,
]

export function findMachine(name: string): MachineModel | undefined {
  return machines.find((machine) => machine.name === name)
}

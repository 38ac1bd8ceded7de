// Two sockets of Xeon E5-2690 v3 (Haswell) with 12 cores of two threads each: the machine on which M. Lespinasse first
// measured speculation (April 2021). Haswell has no instruction that requests a line for writing: Linux finds it by the
// bit PREFETCHW of CPUID, which Intel sets since Broadwell.

import type { MachineModel } from '../machine.ts'
import { broadwell2s } from './broadwell-2s.ts'

export const haswell2s: MachineModel = {
  ...broadwell2s,
  name: 'haswell-2s',
  title: '2 × Xeon E5-2690 v3 (Haswell), 12 cores of 2 threads each',
  source: `this processor is not among those measured; as broadwell-2s: ${broadwell2s.source}`,
  prefetchesMmapLock: false,
}

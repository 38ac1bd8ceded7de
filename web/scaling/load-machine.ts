// In the place of src/simulate/load-machine.ts: the page has the machine of the workloads ready.

import type { LoadedMachine, MachineName } from '../../src/simulate/load-machine.ts'

export async function loadMachine(name: MachineName): Promise<LoadedMachine> {
  if (name !== 'stepped-machine') throw new RangeError(`a page has no ${name}`)
  const { entries, sites } = await import('stepped:workloads')
  return { make: entries.machine, sites }
}

// The machines of this folder in their steppable form: made when they are asked for. A page has them ready instead.

import { type Probe, type Site, loadStepped } from '../backends/stepped/index.ts'

/** The module that has it. */
export type MachineName = 'stepped-machine' | 'trace-machine'

export interface LoadedMachine {
  /** What boots it, to be run alone. */
  readonly make: (request: unknown) => unknown
  readonly sites: Site[]
}

export async function loadMachine(name: MachineName, probes: readonly Probe[]): Promise<LoadedMachine> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const module = new URL(`./${name}${extension}`, import.meta.url)
  const { exports, sites } = await loadStepped(module, { isShipped: true, probes })
  return { make: exports['default'] as LoadedMachine['make'], sites }
}

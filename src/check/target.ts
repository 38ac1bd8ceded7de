// The target of a check, as plain data that threads send to each other, and the loaded program.

import { type ScriptRequest, type Site, wasmDigestOf } from '../backends/stepped/index.ts'
import type { RwsemKind } from '../kernel/index.ts'
import type { Coverage } from './coverage.ts'
import type { Subject } from './run-once.ts'
import type { InlineCall } from './inline-call.ts'
import type { SourcePatch } from './mutants/patch.ts'
import type { ScenarioOptions } from './scenario.ts'

export interface KernelChoice {
  readonly design: string
  readonly rwsem: RwsemKind
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: 'shared' | 'batched'
  /** With the errors of the published form. Default false: each is fixed as the design's file says. */
  readonly published?: boolean
  /**
   * With contention for spinlocks by CPUs outside the scenario: a CPU that takes one may have to wait for it first, and
   * then answers interrupts. The lock order includes these answers. Default false.
   */
  readonly contended?: boolean | undefined
}

/** The target of a check. Plain data. */
export interface Target {
  /** The address of a file that exports a scenario as default, or the name of a shipped scenario. */
  readonly scenario: string
  /** Of a shipped scenario; null for a file. */
  readonly choice: KernelChoice | null
  readonly patches: readonly SourcePatch[]
  /** Where the file comes to what is to be checked; without it, that is what it exports as default. */
  readonly call?: InlineCall
  /** What threads were found to load while they run. */
  readonly scripts?: readonly ScriptRequest[]
  /** Of linearizable(): which of its programs, by number. Without it, all of them are meant. */
  readonly program?: number
}

/** A program that is loaded, ready to be explored. */
export interface Prepared {
  readonly subject: Subject
  readonly sites: Site[]
  /** What is told of the places that are come to, where it is. */
  readonly coverage?: Coverage | null
  /** Of its code, patches included. */
  readonly digest: string
  /** Of what its threads have loaded, by names that only they know: see SteppedPrograms. */
  readonly digestOfLoaded?: (() => string) | undefined
  readonly title: string
  /** The scenario's own. */
  readonly options: ScenarioOptions
  /** Of linearizable(), where no program is named: all of them. */
  readonly programs?: readonly Subject[]
  /** How many programs there are of which those were chosen. */
  readonly programsInAll?: number
}

/** What a program is loaded with: the text of a module of WebAssembly takes the place of one with fewer functions. */
export function scriptsWith(scripts: readonly ScriptRequest[], request: ScriptRequest): ScriptRequest[] {
  const digest = wasmDigestOf(request.specifier)
  const isKept = ({ specifier }: ScriptRequest): boolean =>
    digest === null || wasmDigestOf(specifier) !== digest
  return [...scripts.filter(isKept), request]
}

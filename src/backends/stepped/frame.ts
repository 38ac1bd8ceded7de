// What the parts of the transform know of the function whose code is being written, and what they are told to do.

import type { Step } from './form.ts'
import type { Local } from './locals.ts'
import type { FunctionInfo } from './function-values.ts'
import type { Node } from './syntax.ts'

export interface Probe {
  readonly file: string
  readonly function: string
  /** What the runtime calls it. */
  readonly id: number
  /** Its return is reported too, with its result. */
  readonly result?: boolean
}

export interface EmitOptions {
  /** Also report calls and returns, for a trace. */
  readonly trace: boolean
  /** The turns of every loop are counted, so that setDeadline() can end it. */
  readonly turns: boolean
  /**
   * The variable in which loops count how long they have waited. It makes no difference as long as that is short, so
   * that they are not explored for how often they turn.
   */
  readonly spins: string | null
  /** Functions whose calls are reported to the runtime, by the end of their file's path and their name. */
  readonly probes: readonly Probe[]
}

/** Where `return`, and a jump out of it, does something else first: a `finally` in which calls may stop. */
export interface Detour {
  /** Where jumps lead out of it, and the number of each. */
  readonly jumps: Map<Goal, number>
  readonly how: string
  readonly what: string
  readonly label: string
}

/** What `break` and `continue` mean. */
export interface Target {
  readonly kind: 'loop' | 'switch' | 'block'
  readonly labels: readonly string[]
  /** What `break` names in the steppable form, and what is left instead of `continue` where that is not it. */
  readonly label: string
  readonly next: string | null
}

/** Where a jump leads. */
export interface Goal {
  readonly jump: Node
  /** How many detours were there at its place. */
  readonly depth: number
}

export interface PlacedTarget extends Target {
  readonly breaks: Goal
  readonly continues: Goal
}

/** The function whose code is being written. */
export interface Frame {
  readonly info: FunctionInfo
  readonly probe: Probe | undefined
  /** It can stop: its calls are taken apart into steps, and its variables are kept. */
  readonly stops: boolean
  /** `new` may call it, or does. */
  readonly constructs: 'class' | 'derived' | 'perhaps' | null
  /** Where steps go. */
  steps: Step[]
  /** Temporaries within an expression, and those that are kept where it stops. */
  inner: number
  innerMax: number
  outer: number
  outerMax: number
  /** Where the statement begins that is being written, and the loops around it. */
  statement: number
  readonly loops: Node[]
  /** Of each of them, whether it waits: see again() in spinning.ts. */
  readonly waits: boolean[]
  /** What tells the turns of each from those of other calls of the function; null where nothing does. */
  readonly entries: (Node | null)[]
  /** Variables that are kept. */
  readonly kept: Set<string>
  readonly locals: readonly Local[]
  readonly detours: (Detour | 'try')[]
  readonly targets: PlacedTarget[]
}

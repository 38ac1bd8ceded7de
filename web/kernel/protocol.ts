// What the page of the kernel and its worker say to each other. Plain data.

/** The kernel that is stepped, and what its CPUs do. */
export interface Choice {
  readonly scenario: string
  readonly design: string
  readonly rwsem: string
  /** With the errors that the design had as it was published. */
  readonly published: boolean
}

/** How far a CPU goes on: by one shared access, until another function is at work, or as far as it can. */
export type Stride = 'step' | 'function' | 'end'

export type Ask =
  | { readonly kind: 'open'; readonly choice: Choice }
  /** The state after the CPUs have done their steps in this order. */
  | { readonly kind: 'at'; readonly schedule: readonly number[] }
  | {
      readonly kind: 'advance'
      readonly schedule: readonly number[]
      readonly cpu: number
      readonly stride: Stride
    }
  | { readonly kind: 'explore' }
  /** An interleaving that fails, as short as can be found. */
  | { readonly kind: 'bad' }

export type Question = Ask & { readonly id: number }

export type Answer =
  | { readonly kind: 'catalogue'; readonly catalogue: Catalogue }
  | { readonly kind: 'state'; readonly id: number; readonly state: State }
  | { readonly kind: 'explored'; readonly id: number; readonly explored: Explored }
  | { readonly kind: 'bad'; readonly id: number; readonly bad: Bad | null; readonly isComplete: boolean }
  | { readonly kind: 'progress'; readonly text: string }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

export interface Catalogue {
  readonly scenarios: readonly string[]
  readonly designs: readonly {
    readonly name: string
    readonly year: number
    readonly author: string
    readonly rwsem: string
    readonly source: string
  }[]
  readonly flaws: readonly Flaw[]
}

/** An error that a design had as it was published, and a scenario that finds it. */
export interface Flaw {
  readonly design: string
  readonly race: string
  readonly sentence: string
  readonly scenarios: readonly string[]
}

export interface State {
  readonly schedule: readonly number[]
  readonly cpus: readonly CpuState[]
  readonly rows: readonly Row[]
  readonly space: Space
  /** Null while the CPUs are at work. */
  readonly verdict: Verdict | null
}

export interface CpuState {
  readonly id: number
  /** 'stopped': the execution has failed before it had finished. */
  readonly state: 'ready' | 'spins' | 'waits' | 'stopped' | 'finished'
  /** It can go on now. */
  readonly enabled: boolean
  /** What it does next; null where it has finished. */
  readonly next: Place | null
  /** Functions that call each other, the outermost first, where it was last at work. */
  readonly calls: readonly string[]
}

export interface Place {
  /** Path of the file within the checkout, and line. */
  readonly file: string
  readonly line: number
  readonly function: string
  /** The source text, in one line. */
  readonly source: string
}

/** An operation or a plain access. */
export interface Row {
  readonly cpu: number
  /** From 1; null for a plain access, which is no step. */
  readonly step: number | null
  readonly text: string
  readonly place: string
  readonly function: string
  /** Why another CPU goes on from here; null where it is the same. */
  readonly switch: string | null
}

/** The address space as it is. */
export interface Space {
  readonly words: readonly Word[]
  readonly vmas: readonly VmaView[]
  readonly tree: { readonly kind: string; readonly root: TreeNode | null }
  readonly entries: readonly Word[]
  readonly cpuStates: readonly string[]
}

export interface Word {
  readonly name: string
  readonly text: string
}

export interface VmaView {
  readonly name: string
  /** 'linked': in the list; 'unlinked': it was there; 'freed': its memory has been given back. */
  readonly state: 'linked' | 'unlinked' | 'freed'
  readonly words: readonly Word[]
}

export interface TreeNode {
  readonly name: string
  readonly mark: string
  readonly children: readonly TreeNode[]
}

export interface Verdict {
  readonly holds: boolean
  /** 'error', 'race', 'deadlock' or 'livelock'; '' where it holds. */
  readonly kind: string
  readonly message: string
}

export interface Explored {
  readonly verdict: 'pass' | 'fail' | 'incomplete'
  readonly executions: number
  readonly redundant: number
  readonly steps: number
  readonly message: string
  /** What failed, as it was found. */
  readonly schedule: readonly number[] | null
}

export interface Bad {
  readonly schedule: readonly number[]
  readonly preemptions: number
  readonly message: string
}

// What a page is made from, and the parts that it is made of.
import type { WhatIf } from '../../simulate/index.ts'
import type { RecordedDetail } from '../../trace/detail.ts'
import type { ReplayReport, TraceReport } from '../replay-report.ts'
import type { Markup } from './markup.ts'

export interface PageContent {
  /** The recording that the page is about; of two, the later one. */
  readonly trace: TraceReport
  /** Null where only a result is there, and not the recording. */
  readonly detail: RecordedDetail | null
  /** Replays of the recording. */
  readonly replays: readonly ReplayReport[]
  /** The least share of faults that a replay has to reproduce to be judged by. */
  readonly minimumFidelity: number
  /** Simulations under other designs and on more CPUs. */
  readonly whatIf?: WhatIf | null
  /** The recording to compare with. */
  readonly before: TraceReport | null
}

export interface Section {
  /** For links: letters only. */
  readonly id: string
  readonly title: string
  readonly body: Markup
  /** What the scripts of the page draw, by the identifier of an element. */
  readonly data?: Readonly<Record<string, unknown>>
}

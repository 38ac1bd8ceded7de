// What the page of a recording and its worker say to each other. Plain data.

import type { VerdictReport } from '../../src/report/verdict.ts'

export interface Question {
  readonly id: number
  readonly file: File
}

export type Answer = { readonly id: number } & (
  | { readonly kind: 'progress'; readonly lines: number }
  /** `page` is what `faultline report --output` writes. */
  | { readonly kind: 'report'; readonly page: string; readonly verdict: VerdictReport }
  | { readonly kind: 'failed'; readonly message: string }
)

// What the page of a recording and its worker say to each other. Plain data.

export interface Question {
  readonly id: number
  readonly file: File
  /** One of before a change, with which it is compared. */
  readonly before: File | null
}

export type Answer = { readonly id: number } & (
  | { readonly kind: 'progress'; readonly name: string; readonly lines: number }
  /** `page` is what `faultline report --output` writes; the summary is of its verdict, or of what has changed. */
  | { readonly kind: 'report'; readonly page: string; readonly summary: string }
  | { readonly kind: 'failed'; readonly message: string }
)

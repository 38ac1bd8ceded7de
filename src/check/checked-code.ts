// What a token is for: the name of what was checked, and the digest of its code.

import { basename } from 'node:path'
import type { Prepared, Target } from './target.ts'
import type { CheckedCode } from './token.ts'

/** What a token is for. Of a file its name only: it may stand elsewhere on another machine. */
export function codeOf(target: Target, { digest }: Pick<Prepared, 'digest'>): CheckedCode {
  const { scenario, choice } = target
  const name = choice === null ? tokenName(target) : scenario
  const { design = null, rwsem = null, rss = null, published = false, contended = false } = choice ?? {}
  return { scenario: name, design, rwsem, rss, published, contended, digest }
}

/** Of a call, with its name or, where it has none, its turn among those of its line; of a program, with its number. */
export function tokenName({ scenario, call, program }: Target): string {
  const parts = [basename(scenario)]
  if (call !== undefined) parts.push((call.name ?? String(call.frames[0]!.line)).replaceAll(/[^\w-]+/g, '-'))
  if (call !== undefined && call.count > 0) parts.push(String(call.count))
  return program === undefined ? parts.join('_') : `${parts.join('_')}~${program}`
}

// Replay tokens: one line that repeats exactly one execution.
//
//     fl1.fault-munmap/lespinasse-2021/xadd.3f9a0c12b7.AQ8CAQ.9d41
//     fl1.fault-munmap/kamezawa-2009-refcount/xadd/published.0b12c7a93f.AQ8CAQ.77a0
//
// The version of the format and of the rule in follow.ts; what was checked; the digest of its code, patches included;
// how the execution ended, after how many steps, and its deviations; and a checksum. A deviation is a step at which
// another thread runs than the rule says, so that a token is short if there are few preemptions.

import { createHash } from 'node:crypto'
import type { FailureKind } from './run-once.ts'
import type { Turning } from './follow.ts'

const VERSION = 'fl1'
const CODE_CHARACTERS = 10
/** Of what threads load, behind the others. */
const LOADED_CHARACTERS = 6
const SUM_CHARACTERS = 4
/** More than the turns of any loop that is followed. */
const TURNS_LIMIT = 2 ** 24
/** What stands behind the rwsem where it is not the default. */
const SHARED = 'shared'
const PUBLISHED = 'published'
const CONTENDED = 'contended'
const NOT_OF_A_NAME = /[^\w.~-]+/g
const kinds: readonly FailureKind[] = ['error', 'race', 'deadlock', 'livelock']

/** An execution that failed, as a token tells it. */
export interface ReplayedExecution {
  readonly kind: FailureKind
  /** Steps up to the failure. */
  readonly steps: number
  readonly turnings: readonly Turning[]
  /** For how many turns that read the same loops were followed; null if it was the default. */
  readonly turns: number | null
  /** The numbers of fields that counted, ascending: see counts.ts. */
  readonly counting: readonly number[]
}

/** What was checked. */
export interface CheckedCode {
  /** The scenario, or the name of the file. */
  readonly scenario: string
  /** Of a kernel scenario. */
  readonly design: string | null
  readonly rwsem: string | null
  /** How it counts resident pages; only what is not the default stands in a token. */
  readonly rss: string | null
  /** Of a design: with the errors of its published form. */
  readonly published: boolean
  /** Of a kernel scenario: as if others wanted the same locks. */
  readonly contended?: boolean
  /** Digest of the code, as text of hexadecimal digits. */
  readonly digest: string
  /** The same of what its threads load by names that only they know; empty where they load nothing. */
  readonly loaded?: string
}

/** A token that cannot be run, or not on this code. */
export class TokenRefused extends TypeError {
  override readonly name = 'TokenRefused'
  readonly remedy: string

  constructor(message: string, remedy: string) {
    super(message)
    this.remedy = remedy
  }
}

export function replayToken(code: CheckedCode, execution: ReplayedExecution): string {
  const { kind, turns, counting } = execution
  const head = kinds.indexOf(kind) + kinds.length * ((turns ?? 0) + TURNS_LIMIT * counting.length)
  const numbers = [head, execution.steps, ...counting]
  let from = 0
  for (const { step, thread } of execution.turnings) {
    numbers.push(step - from, thread)
    from = step
  }
  const bytes = Buffer.from(numbers.flatMap(variableLength)).toString('base64url')
  const digest = `${code.digest.slice(0, CODE_CHARACTERS)}${(code.loaded ?? '').slice(0, LOADED_CHARACTERS)}`
  const text = [VERSION, subjectOf(code), digest, bytes].join('.')
  return `${text}.${sumOf(text)}`
}

/** What a token says, without looking at the code. Throws TokenRefused if it is damaged or of another version. */
export function readToken(token: string): {
  readonly scenario: string
  readonly design: string | null
  readonly rwsem: string | null
  readonly rss: string | null
  readonly published: boolean
  readonly contended: boolean
  readonly digest: string
  readonly execution: ReplayedExecution
} {
  const text = token.trim()
  const version = /^fl\d+(?=\.)/.exec(text)?.[0]
  if (version === undefined) {
    throw new TokenRefused('that is not a replay token', `a token begins with '${VERSION}.' and is one word`)
  }
  if (version !== VERSION) {
    throw new TokenRefused(
      `the token is of version ${version}, and this is ${VERSION}`,
      'run it with the Faultline that printed it, or check the scenario again',
    )
  }
  const match = /^(fl1\.(.+)\.([\da-f]+)\.([\w-]+))\.([\da-f]+)$/.exec(text)
  if (match === null || sumOf(match[1]!) !== match[5]) throw damaged()
  const [scenario = '', design = null, rwsem = null, ...marks] = match[2]!.split('/')
  const rss = marks.includes(SHARED) ? SHARED : null
  const published = marks.includes(PUBLISHED)
  const contended = marks.includes(CONTENDED)
  const execution = decode(match[4]!)
  return { scenario, design, rwsem, rss, published, contended, digest: match[3]!, execution }
}

/** Throws TokenRefused with the reason if the token is for something else than `code`. */
export function executionOf(token: string, code: CheckedCode): ReplayedExecution {
  const { scenario, digest, execution, ...machine } = readToken(token)
  const [expected, given] = [subjectOf(code), subjectOf({ ...machine, scenario, digest })]
  if (given !== expected) {
    const what = scenario !== code.scenario.replaceAll(NOT_OF_A_NAME, '-') ? 'scenario' : 'machine'
    throw new TokenRefused(
      `the token is for ${given}, and not for ${expected}`,
      what === 'scenario'
        ? 'give its scenario'
        : 'give its design, rwsem and rss, and --published and --contended if it has them',
    )
  }
  if (!code.digest.startsWith(digest.slice(0, CODE_CHARACTERS))) {
    throw new TokenRefused(
      `the code of ${expected} has changed since the token was created`,
      'check the scenario again, or go back to that code',
    )
  }
  return execution
}

/**
 * Throws TokenRefused if what the threads of the execution have loaded, by names that only they know, is not what it
 * was: `loaded` is its digest.
 */
export function refuseOtherLoaded(token: string, loaded: string): void {
  if (loaded.slice(0, LOADED_CHARACTERS) === readToken(token).digest.slice(CODE_CHARACTERS)) return
  throw new TokenRefused(
    'a script that threads load at run time is another one, or has changed since the token was created',
    'check the scenario again, or go back to that code',
  )
}

/** Names stand in one word, and slashes separate them. */
function subjectOf({ scenario, design, rwsem, rss, published, contended }: CheckedCode): string {
  const name = scenario.replaceAll(NOT_OF_A_NAME, '-')
  if (design === null) return name
  const marks = [
    ...(rss === SHARED ? [SHARED] : []),
    ...(published ? [PUBLISHED] : []),
    ...(contended === true ? [CONTENDED] : []),
  ]
  return [name, design, rwsem, ...marks].join('/')
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, SUM_CHARACTERS)
}

function damaged(): TokenRefused {
  return new TokenRefused('the token is damaged', 'copy all of it')
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function variableLength(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

function decode(text: string): ReplayedExecution {
  const numbers: number[] = []
  let value = 0
  let scale = 1
  for (const byte of Buffer.from(text, 'base64url')) {
    value += (byte & 127) * scale
    scale *= 128
    if ((byte & 128) !== 0) continue
    numbers.push(value)
    value = 0
    scale = 1
  }
  const [head = -1, steps = 0, ...rest] = numbers
  const kind = kinds[head % kinds.length]
  const turns = Math.floor(head / kinds.length) % TURNS_LIMIT
  const counting = rest.splice(0, Math.floor(head / kinds.length / TURNS_LIMIT))
  const turnings: Turning[] = []
  let step = 0
  for (let at = 0; at + 1 < rest.length; at += 2) {
    step += rest[at]!
    turnings.push({ step, thread: rest[at + 1]! })
  }
  if (kind === undefined || rest.length % 2 !== 0 || scale !== 1) throw damaged()
  return { kind, steps, turnings, turns: turns === 0 ? null : turns, counting }
}

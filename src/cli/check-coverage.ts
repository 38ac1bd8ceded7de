// What `faultline check --coverage` prints.
import { basename } from 'node:path'
import type { CheckResult } from '../check/index.ts'
import { plural } from '../report/numbers.ts'

type Coverage = NonNullable<CheckResult['coverage']>
type Place = Coverage['unreached'][number]

/** Lines of each kind at most; --json has all. */
const LINES_MAX = 20
const SOURCE_MAX = 60

/** Which lines were in one order only, and to which no thread came; empty where that is not to be told. */
export function coverageText({ coverage, ...result }: CheckResult): string {
  if (coverage === undefined) return ''
  const { pairs, oneOrder, unreached } = coverage
  const { complete, bound, turns, timeouts } = result
  const isAll = complete && bound === null && turns === null && timeouts === null
  const only = isAll ? 'in one order in every interleaving' : 'in one order only, so far'
  const orders = oneOrder.map(({ first, second }) => `${placeText(first)}\n      then ${placeText(second)}`)
  return [
    `  coverage: ${plural(pairs, 'pair')} of lines came to the same memory, `,
    oneOrder.length === 0 ? 'all in both orders\n' : `${oneOrder.length} of them ${only}:\n`,
    listText(orders),
    unreached.length === 0 ? '' : '  no thread came to\n',
    listText(unreached.map(placeText)),
  ].join('')
}

function listText(lines: readonly string[]): string {
  const shown = lines.slice(0, LINES_MAX).map((line) => `    ${line}\n`)
  const left = lines.length - shown.length
  return shown.join('') + (left === 0 ? '' : `    and ${left} more: --json tells all\n`)
}

function placeText({ file, line, source }: Place): string {
  const text = source.length <= SOURCE_MAX ? source : `${source.slice(0, SOURCE_MAX - 1)}…`
  return `${basename(file)}:${line} ${text}`
}

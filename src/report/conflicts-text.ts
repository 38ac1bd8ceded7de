// The text of `faultline check --conflicts`: a table of counts, and below it the names of the lines.
//
// Principle: the table answers which design shares less, the list below it shares what; designs that share the same are
// named together.
import type { ConflictLine, PairConflicts } from '../check/index.ts'
import { plainStyle, type TextOptions } from './style.ts'
import { type Column, formatTable, wrap } from './table.ts'

const legend = [
  'Cache lines that both operations use and at least one writes; the first operation runs on CPU 0, the second on ' +
    'CPU 1, each alone from the same state.',
  '3+1: three lines each time, and one more now and then, when something is fetched or given back in a batch.',
]
const namesLegend = [
  'Each line is named by its first word that both use; ~ marks a line of which they use different words (false ' +
    'sharing). The arrow says who writes: <- the first operation, -> the second, <> both.',
]

/** Stands for a blank at which no line ends. */
const NO_BREAK = '\u{a0}'

/** The matrix, ending in a newline. */
export function conflictsText(found: readonly PairConflicts[], options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const machines = [...Map.groupBy(found, machineOf).entries()]
  const pairs = [...Map.groupBy(found, pairOf).entries()]
  const columns: Column[] = [
    { heading: ['operations'], align: 'left', cells: pairs.map(([pair]) => pair) },
    ...machines.map(([machine, ofMachine]): Column => {
      const cells = pairs.map(([pair]) => countOf(ofMachine.find((each) => pairOf(each) === pair)!.lines))
      return { heading: machine.split(/(?<=-)|(?=\/)/), align: 'right', cells }
    }),
  ]
  const lines = [
    style.heading('LINES SHARED'),
    ...legend.flatMap((text) => wrap(text, width, 2)).map(style.faint),
    '',
    ...formatTable(columns, { width, styleHeading: style.faint }),
    '',
    style.heading('BY NAME'),
    ...namesLegend.flatMap((text) => wrap(text, width, 2)).map(style.faint),
  ]
  for (const [pair, ofPair] of pairs) {
    lines.push('', style.heading(pair))
    for (const [names, alike] of Map.groupBy(ofPair, ({ lines: shared }) => namesOf(shared))) {
      const isEvery = alike.length === machines.length && machines.length > 1
      lines.push(...wrap(isEvery ? 'every design' : alike.map(machineOf).join(', '), width, 2))
      lines.push(
        ...names
          .split('\n')
          .flatMap((text) => wrap(text, width, 4))
          .map((part) => part.replaceAll(NO_BREAK, ' ')),
      )
    }
  }
  return `${lines.join('\n')}\n`
}

function machineOf({ design, rwsem, rss }: PairConflicts): string {
  return `${design}${rwsem === 'xadd' ? '' : `/${rwsem}`}${rss === 'batched' ? '' : '/shared rss'}`
}

function pairOf({ first, second }: PairConflicts): string {
  return `${first} × ${second}`
}

function countOf(lines: readonly ConflictLine[]): string {
  const always = lines.filter((line) => line.always).length
  const sometimes = lines.length - always
  if (lines.length === 0) return '·'
  return sometimes === 0 ? String(always) : `${always}+${sometimes}`
}

/** Two paragraphs at most: what is shared each time, and now and then. */
function namesOf(lines: readonly ConflictLine[]): string {
  const list = (always: boolean): string => {
    const names = lines.filter((line) => line.always === always).map(nameOf)
    const counts = Map.groupBy(names, (name) => name)
    return [...counts]
      .map(([name, same]) => (same.length === 1 ? name : `${name}${NO_BREAK}(${same.length} lines)`))
      .join(', ')
  }
  const [eachTime, sometimes] = [list(true), list(false)]
  if (lines.length === 0) return 'nothing'
  return [
    ...(eachTime === '' ? [] : [eachTime]),
    ...(sometimes === '' ? [] : [`now and then: ${sometimes}`]),
  ].join('\n')
}

function nameOf({ name, firstWrites, secondWrites, sameWord }: ConflictLine): string {
  const arrow = firstWrites && secondWrites ? '<>' : firstWrites ? '<-' : '->'
  return `${sameWord ? '' : '~'}${name}${NO_BREAK}${arrow}`
}

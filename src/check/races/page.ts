// docs/races.md, written from the races and from what the explorer finds.

import type { CheckResult } from '../check.ts'
import type { Counterexample } from '../counterexample-data.ts'
import { absentRaces, races } from './index.ts'
import type { Exhibit, Race } from './race.ts'

/** Columns of a table of steps, without the numbers. */
const TABLE_WIDTH = 108
const PROSE_WIDTH = 130

/** The page, from what was found for each exhibit. */
export function racesPage(found: ReadonlyMap<Exhibit, CheckResult>): string {
  const chapters = races.map((race) => raceText(race, found))
  const absent = absentRaces.map(({ number, title, reason }) => `| ${number} | ${title} | ${reason} |`)
  return [
    INTRODUCTION,
    ...chapters,
    '## The others\n',
    '| | race | why it is not shown |',
    '|---|---|---|',
    ...absent,
    '',
  ].join('\n')
}

const INTRODUCTION = `# The races

What went wrong in the published designs of page faults without the mmap lock, from 2009 to 2025. The explorer finds
each race in the design that had it, and does not find it in the fixed design. R1 to R37 come from the mailing
lists, the code, security bulletins and bug reports, in no particular order; R38 to R40 are in no report, but in
the patches. Other pages use these numbers.

How to read the tables: each CPU has a column, time runs downwards, values are printed before and after an arrow.
A table is a shortest execution that fails, and shows only the memory that matters; the command below it
prints every step. "As published" means the design with the errors of its published form
(\`--published\`); "here …" means a design from which a guard was removed (\`--mutant\`). If people only
suspected an error from reading the code, there is a verdict.
`

/** The chapter of one race. */
export function raceText(race: Race, found: ReadonlyMap<Exhibit, CheckResult>): string {
  const { number, title, story, fix, verdict, exhibits } = race
  const parts = [`## ${number} · ${title}\n`, paragraph(story)]
  for (const exhibit of exhibits) parts.push(exhibitText(exhibit, found.get(exhibit)!))
  parts.push(paragraph(`**Fixed:** ${fix}`))
  if (verdict !== undefined) parts.push(paragraph(`**Verdict:** ${verdict}`))
  parts.push(holdsText(race))
  return parts.join('\n')
}

function exhibitText(exhibit: Exhibit, { failure }: CheckResult): string {
  const { had, restored, shows } = exhibit
  const source = restored === undefined ? '' : ` (${restored})`
  const { counterexample, preemptions } = failure!
  const plural = preemptions === 1 ? 'preemption' : 'preemptions'
  const lines = stepsTable(counterexample, shows)
  const broken = [failure!.kind, shortened(failure!.message)].join(': ')
  const again = exhibit.patches === undefined ? `\n\n    ${commandOf(exhibit)}\n` : '\n'
  const head = paragraph(`*${had}*${source}; ${preemptions} ${plural}:`)
  return `${head}\n\`\`\`\n${lines.join('\n')}\n\n${broken}\n\`\`\`${again}`
}

function commandOf({ scenario, design, mutant, published }: Exhibit): string {
  const how = published === true ? ' --published' : mutant === undefined ? '' : ` --mutant ${mutant}`
  return `faultline check ${scenario} --design ${design}${how}`
}

/** Without the list of results that some sequential order would give. */
function shortened(message: string): string {
  return message.replace(/^\w+: /, '').replace(/; possible are.*/s, '')
}

function holdsText({ holds }: Race): string {
  const lines = holds.map(({ scenario, design, complete, because, published }) => {
    const extent = complete ? 'every interleaving' : 'explored for a while'
    const name =
      published === true
        ? `${design} (${because})`
        : because === undefined
          ? design
          : `${design} (${because})`
    return `\`${scenario}\` under ${name}: nothing fails, ${extent}`
  })
  return paragraph(`${lines.join('; ')}.`)
}

/**
 * The steps on memory whose name matches, one column for each CPU, each under the function that does it. Plain accesses
 * are shown where the race is one of them.
 */
function stepsTable({ rows, threads, noun }: Counterexample, shows: RegExp): string[] {
  const width = Math.floor(TABLE_WIDTH / threads)
  const lines = [
    Array.from({ length: threads }, (_, thread) => `${noun} ${thread}`.padEnd(width))
      .join('')
      .trimEnd(),
  ]
  const functions: string[][] = Array.from({ length: threads }, () => [])
  const last: string[] = Array.from({ length: threads }, () => '')
  const known = Array.from({ length: threads }, () => new Map<string, string>())
  for (const row of rows) {
    if (row.kind === 'call') {
      const stack = functions[row.thread]!
      stack.length = row.depth
      stack[row.depth] = row.functions.at(-1)!
    } else if (row.kind === 'operation' && shows.test(row.name)) {
      const { text } = row
      // A repeated read of an unchanged value adds nothing.
      if (known[row.thread]!.get(row.name) === text) continue
      if (row.operation === 'load') known[row.thread]!.set(row.name, text)
      else for (const each of known) each.delete(row.name)
      const name = functions[row.thread]!.slice(0, row.depth).findLast((each) => each !== undefined) ?? ''
      const column = ' '.repeat(row.thread * width)
      if (name !== last[row.thread]) lines.push(`${column}${name}`)
      last.fill('')
      last[row.thread] = name
      for (const line of wrapped(row.text, width - 4)) lines.push(`${column}  ${line}`)
    }
  }
  return lines
}

function paragraph(text: string): string {
  return `${wrapped(text, PROSE_WIDTH, '').join('\n')}\n`
}

function wrapped(text: string, width: number, indent = '  '): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line)
      line = `${indent}${word}`
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

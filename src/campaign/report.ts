// The results of a campaign: tables for people, as text and as a page. The command prints one object per line for
// programs.

import {
  type Column,
  type Section,
  formatCount,
  formatDuration,
  formatRate,
  formatShare,
  formatTable,
  htmlTable,
  markup,
  plural,
  sectionsPage,
  textColumn,
} from '../report/index.ts'
import { basename } from 'node:path'
import { mutantNamed } from '../check/index.ts'
import type { JobResult } from './job.ts'
import type { CampaignOutcome } from './run.ts'

type Of<Kind extends JobResult['job']['kind']> = Extract<JobResult, { job: { kind: Kind } }>

/** A table, before it is text or a page. */
interface Table {
  readonly title: string
  readonly columns: readonly Column[]
}

/** The tables, and what failed. */
export function campaignText(name: string, outcome: CampaignOutcome): string {
  const tables = tablesOf(outcome.results)
  const blocks = tables.map(
    ({ title, columns }) => `${title}\n${formatTable(columns, { indent: 2 }).join('\n')}\n`,
  )
  return [
    `${name}: ${sumWords(outcome)}\n`,
    ...blocks,
    ...failuresOf(outcome).map((line) => `${line}\n`),
  ].join('\n')
}

/** The same as a page for a browser. */
export function campaignPage(name: string, outcome: CampaignOutcome): string {
  const failures = failuresOf(outcome)
  const summary: Section = {
    id: 'summary',
    title: 'Summary',
    body: markup`<p>${sumWords(outcome)}</p>
      <ul>
        ${failures.map((line) => markup`<li>${line}</li>`)}
      </ul>`,
  }
  const sections = tablesOf(outcome.results).map(({ title, columns }, index): Section => {
    const headings = columns.map(({ heading, align }) => ({
      heading: heading.join(' '),
      isNumber: align === 'right',
    }))
    const rows = columns[0]!.cells.map((_, row) => columns.map(({ cells }) => cells[row]!))
    return {
      id: `table${'abcdefghijklmnopqrstuvwxyz'[index % 26]}${'x'.repeat(index / 26)}`,
      title,
      body: htmlTable(title, headings, rows),
    }
  })
  return sectionsPage(name, [summary, ...sections], {
    first: 'summary',
    madeFrom: 'the results of a campaign',
  })
}

/** Whether something is wrong in what was found, or could not be found out. */
export function hasFailed({ results, failed }: CampaignOutcome): boolean {
  return failed.length > 0 || results.some((each) => failureOf(each) !== null)
}

function sumWords({ results, failed }: CampaignOutcome): string {
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0)
  const bad = results.filter((each) => failureOf(each) !== null).length
  const parts = [
    plural(results.length, 'job'),
    `${formatDuration(seconds * 1e9)} of computing`,
    bad === 0 ? 'nothing fails' : `${formatCount(bad)} fail`,
    ...(failed.length > 0 ? [`${formatCount(failed.length)} could not be done`] : []),
  ]
  return parts.join(', ')
}

function failuresOf({ results, failed }: CampaignOutcome): string[] {
  const bad = results.flatMap((result) => {
    const failure = failureOf(result)
    return failure === null ? [] : [`FAILS ${nameOf(result.job)}: ${failure}`]
  })
  return [...bad, ...failed.map(({ job, problem }) => `NOT DONE ${nameOf(job)}: ${problem}`)]
}

function failureOf({ job, result }: JobResult): string | null {
  if (job.kind === 'mutant') return mutantProblem(job, result as Of<'mutant'>['result'])
  if (job.kind === 'check') {
    const { failure } = result as Of<'check'>['result']
    if (failure === null) return null
    return `${failure.kind}: ${failure.message}${failure.token === null ? '' : ` (${failure.token})`}`
  }
  if (job.kind === 'simulate') return null
  const { fidelity } = result as Of<'replay'>['result']
  return fidelity.failed === 0 ? null : `${fidelity.failed} accesses failed that Linux had allowed`
}

/** A mutant has to be caught, and one that is redundant must not be. */
function mutantProblem({ mutant }: Of<'mutant'>['job'], { verdict }: Of<'mutant'>['result']): string | null {
  const { scenario, redundant } = mutantNamed(mutant)!
  if (redundant === undefined) return verdict === 'fail' ? null : `not caught by ${scenario}`
  return verdict === 'fail' ? `said to be redundant, and caught by ${scenario}` : null
}

function nameOf(job: JobResult['job']): string {
  if (job.kind === 'mutant') return `the mutant ${job.mutant}`
  const chance = 'strategy' in job ? `, ${job.strategy}, seed ${job.seed}` : ''
  if ('file' in job) return `${job.file}${chance}`
  const machine = `${job.design}/${job.rwsem}`
  if (job.kind === 'check') return `${job.scenario}, ${machine}${chance}`
  if (job.kind === 'simulate') return `${job.workload} on ${job.machine}, ${machine}, CPUs: ${job.cpus}`
  return `${basename(job.trace)}, ${machine}`
}

function tablesOf(results: readonly JobResult[]): Table[] {
  const of = <Kind extends JobResult['job']['kind']>(kind: Kind): Of<Kind>[] =>
    results.filter(({ job }) => job.kind === kind) as Of<Kind>[]
  const [explored, walked] = partition(of('check'), ({ job }) => 'steps' in job)
  return [
    ...checkTables(explored),
    ...chanceTables(walked),
    ...mutantTables(of('mutant')),
    ...simulateTables(of('simulate')),
    ...replayTables(of('replay')),
  ]
}

function partition<T>(all: readonly T[], isFirst: (each: T) => boolean): [T[], T[]] {
  return [all.filter(isFirst), all.filter((each) => !isFirst(each))]
}

/** What was checked: the scenario, or the file. */
function subjectOf({ job }: Of<'check'>): string {
  return 'file' in job ? job.file : job.scenario
}

function executionsOf(results: readonly Of<'check'>[]): string {
  return formatCount(results.reduce((all, { result }) => all + result.executions, 0))
}

/** A row for each scenario: on how many machines it is complete, and which bounds the others reached. */
function checkTables(results: readonly Of<'check'>[]): Table[] {
  if (results.length === 0) return []
  const rows = [...Map.groupBy(results, subjectOf)]
  const columns = [
    textColumn(
      'scenario',
      rows.map(([subject]) => subject),
    ),
    textColumn(
      'complete',
      rows.map(([, of]) => `${of.filter(({ result }) => result.complete).length} of ${of.length}`),
      'right',
    ),
    textColumn(
      'bounds of the others',
      rows.map(([, of]) => boundsText(of)),
    ),
    textColumn(
      'executions',
      rows.map(([, of]) => executionsOf(of)),
      'right',
    ),
  ]
  return [{ title: 'Explored interleavings', columns }]
}

/** A row for each scenario and strategy. */
function chanceTables(results: readonly Of<'check'>[]): Table[] {
  if (results.length === 0) return []
  const wordsOf = ({ job }: Of<'check'>): string =>
    'steps' in job ? '' : job.strategy === 'pct' ? `pct, depth ${job.depth}` : job.strategy
  const rows = [...Map.groupBy(results, (each) => JSON.stringify([subjectOf(each), wordsOf(each)])).values()]
  const columns = [
    textColumn(
      'scenario',
      rows.map(([first]) => subjectOf(first!)),
    ),
    textColumn(
      'strategy',
      rows.map(([first]) => wordsOf(first!)),
    ),
    textColumn(
      'fail',
      rows.map((of) => `${of.filter(({ result }) => result.verdict === 'fail').length} of ${of.length}`),
      'right',
    ),
    textColumn('executions', rows.map(executionsOf), 'right'),
  ]
  return [{ title: 'Executions by chance', columns }]
}

/** A row for each mutant. */
function mutantTables(results: readonly Of<'mutant'>[]): Table[] {
  if (results.length === 0) return []
  const verdictOf = ({ job, result }: Of<'mutant'>): string => {
    const { scenario, redundant } = mutantNamed(job.mutant)!
    const problem = mutantProblem(job, result)
    return problem ?? (redundant === undefined ? `caught by ${scenario}` : `redundant: ${scenario} passes`)
  }
  const columns = [
    textColumn(
      'mutant',
      results.map(({ job }) => job.mutant),
    ),
    textColumn('verdict', results.map(verdictOf)),
    textColumn(
      'executions',
      results.map(({ result }) => formatCount(result.executions)),
      'right',
    ),
    textColumn(
      'race',
      results.map(({ job }) => mutantNamed(job.mutant)!.race ?? '—'),
    ),
  ]
  return [{ title: 'Mutants of the kernel', columns }]
}

/** Such as '2 (9), 3 (1)': nine machines with at most two preemptions, one with three. */
function boundsText(results: readonly Of<'check'>[]): string {
  const bounds = results.flatMap(({ result: { bound, verdict } }) =>
    bound === null || verdict === 'fail' ? [] : [bound],
  )
  const groups = [...Map.groupBy(bounds, (bound) => bound)].sort(([a], [b]) => a - b)
  return groups.map(([bound, of]) => `${bound < 0 ? 'none' : bound} (${of.length})`).join(', ')
}

/** A table for each workload on each machine: a row for what varies, a column for each number of CPUs. */
function simulateTables(results: readonly Of<'simulate'>[]): Table[] {
  const tables = Map.groupBy(results, ({ job }) => `${job.workload} on ${job.machine}, each second`)
  return [...tables].map(([title, of]) => {
    const cpus = [...new Set(of.map(({ job }) => job.cpus))].sort((a, b) => a - b)
    const rows = [...Map.groupBy(of, ({ job }) => variantOf(job))]
    const rate = (row: readonly Of<'simulate'>[], count: number): string => {
      const found = row.find(({ job }) => job.cpus === count)
      return found === undefined ? '' : formatRate(found.result.faultsPerSecond).replace('/s', '')
    }
    const columns = [
      textColumn(
        'CPUs',
        rows.map(([variant]) => variant),
      ),
      ...cpus.map((count) =>
        textColumn(
          String(count),
          rows.map(([, row]) => rate(row, count)),
          'right',
        ),
      ),
    ]
    return { title, columns }
  })
}

/** What tells a row from the others of its table. */
function variantOf({ design, rwsem, rss, config, constants, seed, effort }: Of<'simulate'>['job']): string {
  const settings = [
    ...(rss === 'batched' ? [] : [`rss ${rss}`]),
    ...Object.entries(config).map(([name, on]) => `${name}=${on === true ? 'on' : 'off'}`),
    ...Object.entries(constants).map(([path, value]) => `${path}=${value}`),
    ...(seed === 1 ? [] : [`seed ${seed}`]),
    ...(effort === 1 ? [] : [`effort ${effort}`]),
  ]
  return [`${design}/${rwsem}`, ...settings].join(' ')
}

function replayTables(results: readonly Of<'replay'>[]): Table[] {
  const tables = Map.groupBy(results, ({ job }) => job.trace)
  return [...tables].map(([trace, rows]) => {
    const column = (
      heading: string,
      cell: (row: Of<'replay'>) => string,
      align: Column['align'] = 'right',
    ): Column => textColumn(heading, rows.map(cell), align)
    const columns = [
      column(
        'design/rwsem',
        ({ job }) => `${job.design}/${job.rwsem}${job.rss === 'shared' ? ' rss shared' : ''}`,
        'left',
      ),
      column('faults', ({ result }) => formatCount(result.faults)),
      column('under mmap lock', ({ result }) => formatCount(result.classicFaults)),
      column('waited for it', ({ result }) => formatShare(result.mmapLockWaitShare.median)),
      column('elapsed', ({ result }) => formatDuration(result.elapsedMs * 1e6)),
      column('fidelity', ({ result }) => formatShare(result.fidelity.ratio)),
    ]
    return { title: `${basename(trace)}, replayed`, columns }
  })
}

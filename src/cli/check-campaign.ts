// `faultline check --all --results FILE`: explorations that go on where they were stopped.
import { type CampaignOptions, type CampaignResult, type KernelChoice, runCampaign } from '../check/index.ts'
import { formatCount, formatTable } from '../report/index.ts'
import { print } from './output.ts'
import { showProgress } from './progress.ts'

export interface CampaignCommand {
  readonly scenarios: readonly string[]
  readonly choices: readonly KernelChoice[]
  readonly seconds: number
  readonly file: string
  /** Only this part of the explorations. */
  readonly shard: CampaignOptions['shard']
  readonly json: boolean
}

/** Runs, prints a row for each scenario, and sets the exit code: 1 where something fails. */
export async function printCampaign({
  scenarios,
  choices,
  seconds,
  file,
  shard,
  json,
}: CampaignCommand): Promise<void> {
  const results = await runCampaign(scenarios, choices, {
    seconds,
    file,
    shard,
    onExploration: (scenario, { design, rwsem }) => showProgress(`check ${scenario}, ${design}/${rwsem}`),
  })
  await print(json ? results.map((result) => `${JSON.stringify(result)}\n`).join('') : campaignText(results))
  if (results.some(({ verdict }) => verdict === 'fail')) process.exitCode = 1
}

/** A row for each scenario: on how many machines it is complete, and which bounds the others reached. */
export function campaignText(results: readonly CampaignResult[]): string {
  const rows = [...Map.groupBy(results, ({ scenario }) => scenario)]
  const executions = rows.map(([, of]) => of.reduce((sum, result) => sum + result.executions, 0))
  const columns = [
    { heading: ['scenario'], align: 'left', cells: rows.map(([scenario]) => scenario) },
    { heading: ['complete'], align: 'right', cells: rows.map(([, of]) => completeText(of)) },
    { heading: ['bounds of the others'], align: 'left', cells: rows.map(([, of]) => boundsText(of)) },
    { heading: ['executions'], align: 'right', cells: executions.map((count) => formatCount(count)) },
  ] as const
  const failures = results
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ scenario, design, rwsem, message }) => `FAILS ${scenario}, ${design}/${rwsem}: ${message}\n`)
  return `${formatTable(columns, { indent: 0 }).join('\n')}\n${failures.join('')}`
}

function completeText(results: readonly CampaignResult[]): string {
  return `${results.filter(({ complete }) => complete).length} of ${results.length}`
}

/** Such as '2 (9), 3 (1)': nine machines with at most two preemptions, one with three. */
function boundsText(results: readonly CampaignResult[]): string {
  const bounds = results.flatMap(({ bound, verdict }) =>
    bound === null || verdict === 'fail' ? [] : [bound],
  )
  const groups = [...Map.groupBy(bounds, (bound) => bound)].sort(([a], [b]) => a - b)
  return groups.map(([bound, of]) => `${bound < 0 ? 'none' : bound} (${of.length})`).join(', ')
}

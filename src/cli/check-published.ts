// `faultline check --published`: designs with the errors of their published form.
import {
  type CheckOptions,
  type PublishedResult,
  checkPublished,
  publishedFlaws,
  scenarioNames,
} from '../check/index.ts'
import { formatCount } from '../report/numbers.ts'
import { formatTable, textColumn } from '../report/table.ts'
import { type FailureFiles, failureText, writeFailure } from './check-failure.ts'
import { print, textOptions } from './output.ts'
import { showProgress } from './progress.ts'

export interface PublishedOptions {
  /** The scenario; without, all in which a flaw is expected, or with `all` every one. */
  readonly scenario: string | undefined
  readonly all: boolean
  readonly designs: readonly string[]
  readonly json: boolean
  readonly checking: CheckOptions
  readonly files: FailureFiles
}

/** Checks, prints, and sets the exit code: 1 for an expected flaw that is not found, and for an unexpected one. */
export async function runPublished(options: PublishedOptions): Promise<void> {
  const { json, checking } = options
  const pairs = pairsOf(options)
  const results: PublishedResult[] = []
  for (const [design, scenario] of pairs) {
    showProgress(`check ${scenario}: ${design} as published`)
    const minimiseSeconds = pairs.length === 1 ? checking.minimiseSeconds : 0
    results.push(
      await checkPublished(design, scenario, { ...checking, minimiseSeconds: minimiseSeconds ?? 0 }),
    )
  }
  writeFailure(
    results.map(({ result }) => result),
    options.files,
  )
  await print(json ? results.map(publishedJson).join('') : publishedText(results))
  const [only] = results
  if (!json && pairs.length === 1 && only!.result.failure !== null) {
    await print(`\n${failureText(only!.result.failure, only!.scenario, textOptions().width)}\n`)
  }
  if (results.some(({ problem }) => problem !== null)) process.exitCode = 1
}

function pairsOf({ scenario, all, designs }: PublishedOptions): [string, string][] {
  if (scenario !== undefined) return designs.map((design) => [design, scenario])
  if (all) return scenarioNames.flatMap((name) => designs.map((design): [string, string] => [design, name]))
  return publishedFlaws
    .filter(({ design }) => designs.includes(design))
    .flatMap(({ design, scenarios }) => scenarios.map((name): [string, string] => [design, name]))
}

function publishedJson({ design, scenario, flaw, result, problem }: PublishedResult): string {
  const { verdict, complete, executions, seconds, failure } = result
  return `${JSON.stringify({
    design,
    scenario,
    race: flaw?.race ?? null,
    flaw: flaw?.sentence ?? null,
    verdict,
    complete,
    executions,
    seconds,
    problem,
    failure: failure && { kind: failure.kind, message: failure.message, token: failure.token },
  })}\n`
}

function outcomeText({ flaw, result, problem }: PublishedResult): string {
  if (problem === 'unexpected') return `UNEXPECTED ${result.failure!.kind}: ${result.failure!.message}`
  if (problem === 'not found') return `NOT FOUND: ${flaw!.sentence}`
  return flaw === null ? 'nothing fails, as expected' : `found: ${flaw.sentence}`
}

function publishedText(results: readonly PublishedResult[]): string {
  const columns = [
    textColumn(
      'design',
      results.map(({ design }) => design),
    ),
    textColumn(
      'scenario',
      results.map(({ scenario }) => scenario),
    ),
    textColumn(
      'race',
      results.map(({ flaw }) => flaw?.race ?? '—'),
    ),
    textColumn(
      'executions',
      results.map(({ result }) => formatCount(result.executions)),
      'right',
    ),
    textColumn('as published', results.map(outcomeText)),
  ]
  return `${formatTable(columns, { indent: 0 }).join('\n')}\n`
}

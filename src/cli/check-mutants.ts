// `faultline check --mutants`: whether each mutant is caught by the scenario that is there for it.
//
// Each has a form of the kernel of its own, and what is loaded stays loaded. So they run in worker threads, some in
// each.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  type CheckOptions,
  type Mutant,
  checkKernelScenario,
  mutantChoice,
  mutants,
  seekFailure,
} from '../check/index.ts'
import { formatCount } from '../report/numbers.ts'
import { formatTable, textColumn } from '../report/table.ts'
import { UsageError } from './failure.ts'
import { print } from './output.ts'
import { showProgress } from './progress.ts'

/** Mutants in one worker: some 10 MB each. */
const GROUP = 30

/** What came of a mutant. */
export interface MutantResult {
  readonly mutant: string
  readonly design: string
  readonly race: string | null
  readonly caught: boolean
  readonly scenario: string
  readonly executions: number
  /** Why the guard is redundant; null where it is not. */
  readonly redundant: string | null
}

/** What a worker is given: names of mutants. */
export interface MutantGroup {
  readonly names: readonly string[]
  readonly exploring: CheckOptions
}

/** Runs all mutants, or those of a scenario, and prints what came of each. Throws UsageError where there are none. */
export async function runMutants(
  scenario: string | undefined,
  exploring: CheckOptions,
  json: boolean,
): Promise<void> {
  const chosen = mutants.filter((mutant) => scenario === undefined || mutant.scenario === scenario)
  if (chosen.length === 0) {
    throw new UsageError(
      `no mutant belongs to '${scenario}'`,
      `these scenarios have some: ${[...new Set(mutants.map((mutant) => mutant.scenario))].join(', ')}`,
    )
  }
  const results: MutantResult[] = []
  for (let first = 0; first < chosen.length; first += GROUP) {
    const names = chosen.slice(first, first + GROUP).map(({ name }) => name)
    for await (const result of resultsOf({ names, exploring })) {
      results.push(result)
      showProgress(`check: ${results.length} of ${chosen.length} mutants`)
    }
  }
  const text = json ? results.map((result) => `${JSON.stringify(result)}\n`).join('') : mutantsText(results)
  await print(text)
  // What is redundant must not be caught.
  if (results.some(({ caught, redundant }) => caught === (redundant !== null))) process.exitCode = 1
}

/** Runs mutants in a worker of their own. */
async function* resultsOf(workerData: MutantGroup): AsyncGenerator<MutantResult> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const worker = new Worker(new URL(`./mutants-worker${extension}`, import.meta.url), { workerData })
  try {
    for (let left = workerData.names.length; left > 0; left--) {
      // Rejected by an error of the worker.
      const [result] = (await once(worker, 'message')) as [MutantResult]
      yield result
      worker.postMessage('next')
    }
  } finally {
    await worker.terminate()
  }
}

export async function checkMutant(mutant: Mutant, exploring: CheckOptions): Promise<MutantResult> {
  const { name, race, scenario, redundant = null, patches } = mutant
  const choice = mutantChoice(mutant)
  const limits = { ...exploring, patches, minimiseSeconds: 0 }
  const explore = redundant === null ? seekFailure : checkKernelScenario
  const { failure, executions } = await explore(scenario, choice, limits)
  return {
    mutant: name,
    design: choice.design,
    race,
    caught: failure !== null,
    scenario,
    executions,
    redundant,
  }
}

function mutantVerdict({ caught, scenario, redundant }: MutantResult): string {
  if (redundant !== null) return caught ? `${scenario}, not redundant` : `redundant: ${scenario} passes`
  return caught ? scenario : `not caught by ${scenario}`
}

function mutantsText(results: readonly MutantResult[]): string {
  const columns = [
    textColumn(
      'mutant',
      results.map(({ mutant }) => mutant),
    ),
    textColumn('caught by', results.map(mutantVerdict)),
    textColumn(
      'executions',
      results.map(({ executions }) => formatCount(executions)),
      'right',
    ),
    textColumn(
      'race',
      results.map(({ race }) => race ?? '—'),
    ),
  ]
  return `${formatTable(columns, { indent: 0 }).join('\n')}\n`
}

// Every mutant is found by the scenario that it names, which finds nothing in the kernel as it is; unless its guard is
// redundant: then the scenario finds nothing either.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Program, readProgram } from '../../src/backends/stepped/program.ts'
import { explore } from '../../src/check/explore.ts'
import { type Mutant, checkKernelScenario, scenarioNames } from '../../src/check/index.ts'
import { mutants } from '../../src/check/mutants.ts'
import { patchedTexts } from '../../src/check/mutants/apply.ts'
import { type SourcePatch, at } from '../../src/check/mutants/patch.ts'
import { prepare } from '../../src/check/prepare.ts'
import { races } from '../../src/check/races/index.ts'
import { contendedLocks, scenarioPatches } from '../../src/check/scenarios/variants.ts'
import { extent } from '../extent.ts'

const kernel = new URL('../../src/kernel/', import.meta.url)
const MUTATED = 'lespinasse-2021'
/** One in so many is tried; `npm run check:mutants` tries all too. */
const EACH = extent(40, 1)
/** What is redundant is explored that far here, and completely by `npm run check:mutants`. */
const REDUNDANT_EXECUTIONS = 200
/** Enough for every mutant to be found. */
const EXECUTIONS_MAX = 400_000
/** Nearly every mutant is found with so few, and far sooner. */
const FEW_PREEMPTIONS = 2

/** What is wrong with patches of the kernel, in words. */
function misfitOf(program: Program, name: string, patches: readonly SourcePatch[]): string[] {
  try {
    patchedTexts(program, patches)
    return []
  } catch (error) {
    return [`${name}: ${String(error)}`]
  }
}

function isContended({ contended }: Mutant): boolean {
  return contended === true
}

describe('mutants of the kernel', () => {
  const tried = mutants.filter((_, index) => index % EACH === 0)
  for (const { name, scenario, design = MUTATED, rwsem = 'xadd', contended, redundant, patches } of tried) {
    it(`${name} is ${redundant === undefined ? 'found' : 'passed'} by ${scenario}`, async () => {
      assert.ok(scenarioNames.some((each) => each === scenario))
      const maxExecutions = redundant === undefined ? EXECUTIONS_MAX : REDUNDANT_EXECUTIONS
      // Not seekFailure: to tell of each failure, it would load the kernel once more, in the form for traces.
      const choice = { design, rwsem, contended }
      const { subject } = await prepare({ scenario, choice, patches }, false)
      const limits = { maxExecutions, maxSteps: 20_000, maxMs: Infinity }
      let failure =
        redundant === undefined ? explore(subject, { ...limits, bound: FEW_PREEMPTIONS }).failure : null
      failure ??= explore(subject, limits).failure
      assert.equal(failure === null, redundant !== undefined, String(failure?.error))
    })
  }

  it('fit the source, as the variants of scenarios and the patches of races do', async () => {
    const program = await readProgram([new URL('index.ts', kernel).href])
    const all = [
      ['contended', contendedLocks] as const,
      ...mutants.map(({ name, patches }) => [name, patches] as const),
      ...Object.entries(scenarioPatches),
      ...races.flatMap(({ number, exhibits, holds }) =>
        [...exhibits, ...holds].map(({ patches = [] }) => [number, patches] as const),
      ),
    ]
    assert.deepEqual(
      all.flatMap(([name, patches]) => misfitOf(program, name, patches)),
      [],
    )
  })

  it('are found by contended locks alone where they say so: the CPUs of the scenario never meet there', async () => {
    for (const { name, scenario, design = MUTATED, rwsem = 'xadd', patches } of mutants.filter(isContended)) {
      const { verdict } = await checkKernelScenario(scenario, { design, rwsem }, { patches })
      assert.equal(verdict, 'pass', name)
    }
  })

  it('have names of their own', () => {
    assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length)
  })

  it('a patch that does not fit the source is refused', async () => {
    const patches = [at('tables/zap.ts', 'zapPteRange').drop('noSuchCall()')]
    await assert.rejects(
      checkKernelScenario('fault-munmap', { design: MUTATED, rwsem: 'xadd' }, { patches }),
      /tables\/zap\.ts.*zapPteRange.*stands 0 times: noSuchCall\(\)/,
    )
  })
})

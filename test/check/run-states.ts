// `npm run check:states`: explores every scenario under every design twice, from saved states and from the beginning,
// and compares executions, steps, how each ended, what depends on what, and the memory at each end. From saved states,
// threads pass where they may (see Scheduler); from the beginning they are asked at each step. The semaphores take
// turns.
//
// `-- --executions 3000` of each (800), `--seconds 600` in all (no limit), `--part 2/4` of the list (all of it).

import { parseArgs } from 'node:util'
import { memory } from '../../src/backends/stepped/index.ts'
import { makeExplorer } from '../../src/check/explore.ts'
import { type Subject, runOnce, withoutStacks } from '../../src/check/run-once.ts'
import { scenarioNames } from '../../src/check/index.ts'
import { prepare } from '../../src/check/prepare.ts'
import { StepLog } from '../../src/check/step-log.ts'
import { designs } from '../../src/kernel/index.ts'

const rwsems = ['xadd', 'generic', 'spinning', 'writer-spinning'] as const
const limits = { maxExecutions: Infinity, maxSteps: 20_000, maxMs: Infinity }
const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '800' },
    seconds: { type: 'string', default: 'Infinity' },
    part: { type: 'string', default: '1/1' },
  },
})
const executions = Number(values.executions)
const end = performance.now() + Number(values.seconds) * 1000
const [part, parts] = values.part.split('/').map(Number) as [number, number]
if (!(executions > 0 && end > 0 && part > 0 && part <= parts))
  throw new RangeError('see the head of this file')

/** What an exploration did, in a line: another one that did the same has the same. */
function doneBy(subject: Subject, saves: boolean): string {
  const explorer = makeExplorer(subject, limits)
  if (!saves) explorer.checkpoints = null
  let count = 0
  let resumed = 0
  let digest = 0
  let failure: string | null = null
  const note = (value: number): void => {
    digest = (Math.imul(digest, 31) + value) | 0
  }
  const run = (): void => {
    do {
      if ((explorer.checkpoints?.eventBefore(explorer.firstNew) ?? 0) > 0) resumed++
      // Whoever is noted is asked at each step.
      explorer.log = saves ? null : new StepLog()
      const ended = runOnce(subject, explorer, () => {
        for (const character of memory.digest()) note(character.charCodeAt(0))
      })
      count++
      note(explorer.depth)
      for (const character of explorer.orderDigest()) note(character.charCodeAt(0))
      failure = ended?.kind ?? null
    } while (failure === null && count < executions && explorer.advance())
  }
  try {
    withoutStacks(run)
  } catch (error) {
    // A state that is not what it was may lead to another operation than the one that is to come.
    failure = String((error as Error).message)
  }
  if (saves && count === executions && resumed === 0) failure = 'none began at a saved state'
  explorer.retire()
  return `${count} executions, ${explorer.steps} steps, digest ${digest}, failure: ${failure}`
}

let compared = 0
let different = 0
const list = scenarioNames.flatMap((scenario, row) =>
  designs.map(({ description }, column) => ({
    scenario,
    design: description.name,
    rwsem: rwsems[(row + column) % 4]!,
  })),
)
// What a short run comes to is spread over the list.
const stride = list.length % 101 === 0 ? 103 : 101
for (let index = part - 1; index < list.length && performance.now() < end; index += parts) {
  const { scenario, ...choice } = list[(index * stride) % list.length]!
  const { subject } = await prepare({ scenario, choice, patches: [] }, false)
  const [again, saved] = [doneBy(subject, false), doneBy(subject, true)]
  compared++
  if (again === saved) continue
  different++
  console.log(`${scenario}, ${choice.design}/${choice.rwsem}`)
  console.log(`  from the beginning: ${again}\n  from saved states:  ${saved}`)
}
console.log(`${compared} of ${list.length} compared, ${different} different`)
process.exitCode = different === 0 ? 0 : 1

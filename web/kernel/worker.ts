// The worker of the page of the kernel: it steps, explores, and answers.

import { scenarioPatches } from '../../src/check/scenarios/variants.ts'
import { scenarioNames } from '../../src/check/scenarios/index.ts'
import { publishedFlaws } from '../../src/check/published-flaws.ts'
import type { Progress } from '../../src/check/explore.ts'
import { designs } from '../../src/kernel/index.ts'
import { messageOf } from '../dom.ts'
import type { Answer, Catalogue, Choice, Question } from './protocol.ts'
import { Session } from './session.ts'

let session: Session | null = null
/** Why there is none. */
let whyNone = 'no scenario is open'

function answer(value: Answer): void {
  postMessage(value)
}

/** Scenarios on a kernel as it is: those of a changed one would each need another form of it. */
function catalogue(): Catalogue {
  const isShown = (scenario: string): boolean => scenarioPatches[scenario] === undefined
  return {
    scenarios: scenarioNames.filter(isShown),
    designs: designs.map(({ description: { name, year, author, rwsem, source } }) => {
      return { name, year, author, rwsem, source }
    }),
    flaws: publishedFlaws.map((flaw) => ({ ...flaw, scenarios: flaw.scenarios.filter(isShown) })),
  }
}

function tellProgress({ executions, redundant, seconds }: Progress): void {
  const text = `${executions.toLocaleString('en')} interleavings, ${redundant.toLocaleString('en')} of them repeat others in another order, ${seconds.toFixed(1)} s`
  answer({ kind: 'progress', text })
}

/** What is asked next is not of the scenario before, where this one cannot be opened. */
function openAnew(choice: Choice): void {
  session = null
  try {
    session = new Session(choice)
  } catch (error) {
    whyNone = messageOf(error)
  }
}

function reply(question: Question): Answer {
  const { id } = question
  if (question.kind === 'open') openAnew(question.choice)
  const open = session
  if (open === null) throw new Error(whyNone)
  switch (question.kind) {
    case 'open':
      return { kind: 'state', id, state: open.at([]) }
    case 'at':
      return { kind: 'state', id, state: open.at(question.schedule) }
    case 'advance':
      return {
        kind: 'state',
        id,
        state: open.advance(question.schedule, question.cpu, question.stride),
      }
    case 'explore':
      return { kind: 'explored', id, explored: open.explore(tellProgress) }
    case 'bad':
      return { kind: 'bad', id, ...open.bad(tellProgress) }
  }
}

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  try {
    answer(reply(data))
  } catch (error) {
    answer({ kind: 'failed', id: data.id, message: messageOf(error) })
  }
})
answer({ kind: 'catalogue', catalogue: catalogue() })

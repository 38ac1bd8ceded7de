// The verdict in three sentences, what it rests on, and what would help.
import type { Advice } from '../advice.ts'
import { formatDuration } from '../numbers.ts'
import { savingOf } from '../recorded-text.ts'
import { holderSentences, verdictOf, verdictOfTrace, verdictReport, type Verdict } from '../verdict.ts'
import { markup, type Markup } from './markup.ts'
import { bar, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

const MOODS = { good: 'good', notable: 'worth a look', bad: 'no verdict, or wrong' }

export function verdictSection(content: PageContent): Section {
  const { trace } = content
  const verdict = verdictFor(content)
  const first = threeSentences(content, verdict)
  const rest = verdict.sentences.filter((sentence) => !first.includes(sentence))
  return {
    id: 'verdict',
    title: 'Verdict',
    body: markup`<p class="verdict ${verdict.mood}">
        <span class="mood">${MOODS[verdict.mood]}</span>
        ${first.map((sentence) => markup`<span>${sentence}</span> `)}
      </p>
      ${rest.length === 0 ? null : markup`<p>${rest.join(' ')}</p>`}
      ${
        trace.warnings.length === 0
          ? null
          : markup`<h3>What the recording does not show</h3>
              <ul>
                ${trace.warnings.map((warning) => markup`<li>${warning}</li>`)}
              </ul>`
      }`,
  }
}

function verdictFor({ trace, replays, minimumFidelity }: PageContent): Verdict {
  const [replay] = replays
  return replay === undefined ? verdictOfTrace(trace) : verdictOf(replay, minimumFidelity)
}

/** What is said where no change is named, by whether the lock hurts. */
const NO_ADVICE: ReadonlyMap<boolean | null, string> = new Map([
  [true, 'The recording shows no single change that would help much.'],
  [false, 'The lock gives no reason to change anything.'],
  [null, 'This recording does not show what would help.'],
])

function savingSentence(advice: Advice, durationMs: number): string {
  const { change } = advice
  const saved = `${savingOf(advice)} of ${formatDuration(durationMs * 1e6)}`
  return `${change.replace(/\.$/, '')} (about ${saved} less).`
}

/** Whether it hurts, who held the lock, and what to change. */
function threeSentences({ trace, whatIf }: PageContent, verdict: Verdict): string[] {
  const { sentences, hurts, mood } = verdict
  if (mood === 'bad') return sentences.slice(0, 3)
  const [holder = sentences[1]] = holderSentences(trace)
  const [best] = verdictReport(verdict, trace, whatIf).advice
  const help = best === undefined ? NO_ADVICE.get(hurts)! : savingSentence(best, trace.durationMs)
  return [sentences[0], holder, help].filter((sentence) => sentence !== undefined)
}

export function adviceSection(content: PageContent): Section | null {
  const { advice } = verdictReport(verdictFor(content), content.trace, content.whatIf)
  if (advice.length === 0) return null
  const { durationMs } = content.trace
  const share = (ms: number): number => ms / Math.max(1, durationMs)
  const rows = advice.map((one): (string | Markup)[] => [
    one.change,
    savingOf(one),
    bar([{ share: share(one.savesMs), colour: 'plain' }], {
      from: share(one.savesMs),
      to: share(one.savesAtMostMs ?? 0),
    }),
    one.how,
  ])
  return {
    id: 'advice',
    title: 'What would help',
    body: table(
      `Changes, the largest saving first, with what each alone would save of ${formatDuration(durationMs * 1e6)}: estimates`,
      [
        { heading: 'change' },
        { heading: 'saves', isNumber: true },
        { heading: 'of the time' },
        { heading: 'where the figure comes from' },
      ],
      rows,
      true,
    ),
  }
}

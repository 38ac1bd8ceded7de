// The page of a check: its verdict and, where something fails, the execution that shows it, step by step.
//
// The steps are those of the text table, each beside its place in the source. They stand in the page as a table, with
// links from a read to the write that it read; the script draws these as arrows and lets the source follow.
import type { CheckFailure, CheckResult } from '../../check/index.ts'
import { plural } from '../numbers.ts'
import { markup, type Markup } from './markup.ts'
import { sectionsPage } from './page.ts'
import type { Section } from './section.ts'
import type { SourceText } from './source.ts'
import { stepsSection } from './steps.ts'

export interface CheckPageContent {
  /** What was checked, as on the command line. */
  readonly target: string
  /** The checks in order. Of those that fail, the first is told in full. */
  readonly checks: readonly {
    readonly name: string
    readonly result: Pick<CheckResult, 'verdict' | 'failure'>
    /** The verdict and what it covers, in a line. */
    readonly line: string
  }[]
  /** How the program differed from the source in its files; '' where it did not. */
  readonly change: string
  /** A file by its path; null where it cannot be read. */
  readonly sourceOf: (file: string) => SourceText | null
}

type Checked = CheckPageContent['checks'][number]

/** The page of one check or of several. */
export function checkPage(content: CheckPageContent): string {
  const { target, checks, sourceOf } = content
  const told = checks.find(({ result }) => result.failure !== null) ?? null
  const failure = told?.result.failure ?? null
  const sections = [
    verdictSection(content, told),
    ...(failure === null ? [] : [stepsSection(failure.counterexample, sourceOf)]),
  ]
  return sectionsPage(`check ${target}`, sections, { first: 'verdict', madeFrom: 'a check' })
}

function verdictSection({ target, checks, change }: CheckPageContent, told: Checked | null): Section {
  const isPass = checks.every(({ result }) => result.verdict === 'pass')
  const others = checks.filter((check) => check !== told)
  return {
    id: 'verdict',
    title: 'Verdict',
    body: markup`${
      told === null
        ? markup`<p class="verdict ${isPass ? 'good' : 'notable'}">
            ${isPass ? 'Nothing fails.' : 'Nothing failed as far as was explored.'}
          </p> `
        : toldMarkup(told.name, told.result.failure!, target)
    }
    ${change === '' ? null : markup`<p>${change}</p>`}
    ${
      others.length === 0
        ? null
        : markup`<ul>
            ${others.map(({ line }) => markup`<li>${line}</li>`)}
          </ul>`
    }`,
  }
}

function toldMarkup(name: string, failure: CheckFailure, target: string): Markup {
  const { kind, message, steps, preemptions, found, token, counterexample } = failure
  const size = (of: CheckFailure['found']): string =>
    `${plural(of.steps, 'step')} with ${plural(of.preemptions, 'preemption')}`
  const isShorter = found.steps !== steps || found.preemptions !== preemptions
  return markup`<p class="verdict bad">
      ${name} fails in ${size(failure)}. <span class="said">${kind}: ${lines(message.split('\n'))}</span>
    </p>
    <p class="said">${lines(counterexample.broken.details)}</p>
    ${isShorter ? markup`<p>The execution that was found had ${size(found)}, and was shortened.</p>` : null}
    ${
      token === null
        ? markup`<p>No token runs it again: something other than the schedule decides.</p>`
        : markup`<p>
            This runs exactly the same execution again:
            <code class="command">faultline check ${target} --replay ${token}</code>
          </p>`
    }`
}

function lines(texts: readonly string[]): Markup[] {
  return texts.map((text) => markup`<span>${text}</span><br />`)
}

// A report as one page of HTML that opens from disk: nothing is loaded, nothing is sent.
//
// Principles: a pure function of its content. Everything that is said stands in the page without scripts; they draw
// what is better seen, and make it quick to look through. No text of a recording is ever markup or script (markup.ts);
// should one become so all the same, the policy of the page lets no script run but those whose digests it names.
import { fileName } from '../../trace/bytes.ts'
import { printable } from '../printable.ts'
import { losesTooMuch } from '../verdict.ts'
import { compareSection } from './compare.ts'
import { designsSection, fidelitySection } from './designs.ts'
import { faultsSection, mappingsSection } from './faults.ts'
import { flameSection } from './flame.ts'
import { locksSection } from './locks.ts'
import { markup, jsonForScript, Markup } from './markup.ts'
import { programsSection } from './programs.ts'
import { recordedSection } from './recorded.ts'
import { type ClientScript, clientScript, digestOf, pageStyle, uPlotScript } from './scripts.ts'
import type { PageContent, Section } from './section.ts'
import { timelineSection } from './timeline.ts'
import { adviceSection, verdictSection } from './verdict.ts'
import { whatIfSection } from './what-if.ts'

export type { PageContent } from './section.ts'

type SectionMaker = (content: PageContent) => Section | null

const SECTIONS: readonly SectionMaker[] = [
  verdictSection,
  compareSection,
  adviceSection,
  whatIfSection,
  recordedSection,
  programsSection,
  timelineSection,
  locksSection,
  flameSection,
  faultsSection,
  mappingsSection,
  designsSection,
  fidelitySection,
]
/** For a recording with lost events: its verdict says that there is none. */
const SECTIONS_WITH_HOLES: readonly SectionMaker[] = [verdictSection, recordedSection, fidelitySection]

/** The scripts of sections. */
const SCRIPTS: Readonly<Record<string, ClientScript>> = {
  timeline: 'timeline',
  whatif: 'what-if',
  flame: 'flame',
  steps: 'steps',
}

/** The page of a recording. */
export function htmlPage(content: PageContent): string {
  const hasHoles = losesTooMuch(content.trace.lostEvents, content.trace.events)
  const makers = hasHoles ? SECTIONS_WITH_HOLES : SECTIONS
  const sections = makers.map((section) => section(content)).filter((section) => section !== null)
  return sectionsPage(titleOf(content), sections, { first: 'verdict', madeFrom: 'a recording of Linux' })
}

/** A page of sections. The words say what comes first in it, and what it was made from. */
export function sectionsPage(
  name: string,
  sections: readonly Section[],
  words: { readonly first: string; readonly madeFrom: string },
): string {
  const data = sections.flatMap((section) => Object.entries(section.data ?? {}))
  const scripts = [
    ...(data.length > 0 ? [uPlotScript()] : []),
    ...Object.entries(SCRIPTS)
      .filter(([section]) => sections.some(({ id }) => id === section))
      .map(([, script]) => clientScript(script)),
  ]
  const style = pageStyle()
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy(scripts, style)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <title>${name}</title>
        <style>${inline(style, 'style')}</style>
      </head>
      <body>
        <a class="skip" href="#main">To the ${words.first}</a>
        <header>
          <h1>${name}</h1>
          <nav aria-label="Sections">
            <ul>
              ${sections.map(({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`)}
            </ul>
          </nav>
        </header>
        <main id="main">${sections.map(sectionMarkup)}</main>
        <footer>
          <p>
            Made by Faultline from ${words.madeFrom}. This file is whole in itself: it loads nothing and
            sends nothing.
          </p>
        </footer>
        ${data.map(
          ([id, value]) =>
            markup`<script type="application/json" id="data-${id}">${new Markup(jsonForScript(value))}</script>`,
        )}${scripts.map((script, index) => scriptMarkup(script, index === 0 && data.length > 0))}
      </body>
    </html>
`.text
}

/** uPlot is a script of the older kind, which defines a name for the others. */
function scriptMarkup(script: string, isClassic: boolean): Markup {
  const text = inline(script, 'script')
  return isClassic ? markup`<script>${text}</script>` : markup`<script type="module">${text}</script>`
}

function sectionMarkup({ id, title, body }: Section): Markup {
  return markup`<section id="${id}" aria-labelledby="title-${id}">
    <h2 id="title-${id}">${title}</h2>
    ${body}
  </section> `
}

function titleOf({ trace, before }: PageContent): string {
  const nameOf = (file: string): string => (file === '-' ? 'a recording' : fileName(file))
  const what = before === null ? nameOf(trace.path) : `${nameOf(before.path)} and ${nameOf(trace.path)}`
  return printable(`${trace.program}: waits for the mmap lock in ${what}`)
}

/** Nothing is loaded from anywhere, and no script or style counts but those of the page. */
function policy(scripts: readonly string[], style: string): string {
  const allowed = scripts.length === 0 ? `'none'` : scripts.map(digestOf).join(' ')
  return `default-src 'none'; script-src ${allowed}; style-src ${digestOf(style)}; base-uri 'none'; form-action 'none'`
}

/** A script or style of our own, as it is. */
function inline(text: string, element: 'script' | 'style'): Markup {
  if (new RegExp(`</${element}|<!--|<script`, 'i').test(text))
    throw new Error(`a ${element} of the page would end or nest its element`)
  return new Markup(text)
}

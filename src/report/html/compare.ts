// Two recordings beside each other, before and after a change.
import {
  savingsOf,
  comparisonOf,
  type ComparedAdvice,
  type ComparedHolder,
  type ComparedNumber,
} from '../compare.ts'
import { formatCount, formatDuration } from '../numbers.ts'
import { markup, type Markup } from './markup.ts'
import { bar, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

const HOLDERS = 16

export function compareSection({ trace, before }: PageContent): Section | null {
  if (before === null) return null
  const { sentences, numbers, holders, advice } = comparisonOf(before, trace)
  return {
    id: 'compare',
    title: 'Before and after',
    body: markup`<p>${sentences.join(' ')}</p>
      ${numbersTable(numbers)} ${holders.length === 0 ? null : holdersTable(holders)}
      ${advice.length === 0 ? null : adviceTable(advice)}`,
  }
}

function numbersTable(numbers: readonly ComparedNumber[]): Markup {
  return table(
    'What was recorded',
    [
      { heading: 'what' },
      { heading: 'before', isNumber: true },
      { heading: 'after', isNumber: true },
      { heading: 'change', isNumber: true },
      { heading: 'before, after' },
    ],
    numbers.map((one) => {
      const most = Math.max(one.before ?? 0, one.after ?? 0, Number.MIN_VALUE)
      return [
        one.what,
        one.beforeText,
        one.afterText,
        one.changeText,
        markup`${bar([{ share: (one.before ?? 0) / most, colour: 'plain' }])}${bar([{ share: (one.after ?? 0) / most, colour: 'write' }])}`,
      ]
    }),
  )
}

function holdersTable(holders: readonly ComparedHolder[]): Markup {
  return table(
    'Who held the lock while others waited, and for how long',
    [
      { heading: 'holder' },
      { heading: 'call' },
      { heading: 'before', isNumber: true },
      { heading: 'after', isNumber: true },
      { heading: 'now' },
    ],
    holders
      .slice(0, HOLDERS)
      .map(({ name, call, before, after, now }) => [name, call, waitsText(before), waitsText(after), now]),
  )
}

function adviceTable(advice: readonly ComparedAdvice[]): Markup {
  return table(
    'What would help, and how much less time it would take',
    [{ heading: 'change' }, { heading: 'before', isNumber: true }, { heading: 'after', isNumber: true }],
    advice.map((one) => [one.change, ...savingsOf(one)]),
  )
}

function waitsText({ waits, waitedNs }: ComparedHolder['before']): string {
  return waits === 0 && waitedNs === 0 ? '–' : `${formatDuration(waitedNs)}, ${formatCount(waits)} times`
}

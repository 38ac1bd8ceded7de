// Writes docs/campaign.md from the results of `check --all --results FILE`:
// `node scripts/campaign-page.mjs FILE`.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.mjs'

const [, , file] = process.argv
if (file === undefined) throw new Error('give the file of results')
// A scenario that was explored again stands there again: the last result counts.
const results = new Map()
for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
  const result = JSON.parse(line)
  results.set(`${result.scenario} ${result.design} ${result.rwsem}`, result)
}

const scenarios = Map.groupBy(results.values(), ({ scenario }) => scenario)
const rwsems = [...new Set([...results.values()].map(({ rwsem }) => rwsem))].toSorted().toReversed()
const rows = [...scenarios].map(([scenario, all]) => {
  const cells = rwsems.map((rwsem) => cellOf(all.filter((each) => each.rwsem === rwsem)))
  return `| \`${scenario}\` | ${cells.join(' | ')} |`
})
const sum = (key) => [...results.values()].reduce((total, result) => total + result[key], 0)
const count = (number) => number.toLocaleString('en-US')
const failed = [...results.values()].filter(({ verdict }) => verdict === 'fail')
const whole = [...results.values()].filter(({ complete }) => complete)

const outcome = failed.length === 0 ? 'nothing failed' : `**${failed.length} failed**`
const minutes = count(Math.round(sum('seconds') / 60))
const intro = [
  `What \`check --all --results FILE\` found, written by \`node scripts/campaign-page.mjs FILE\`. Of`,
  `${count(results.size)} explorations (a scenario, a design, a semaphore) ${count(whole.length)} are complete: every`,
  `interleaving. The others were explored with at most so many preemptions as the bound says, every interleaving of`,
  `these; "–" where the time was too short even for those without. ${count(sum('executions'))} executions in ${minutes}`,
  `minutes; ${outcome}. More time gives higher bounds (\`--seconds\`), and the file goes on where it was stopped.`,
  `Each result names the code that it was found with (\`digest\`).`,
]
const page = `# The campaign over all scenarios

${intro.join('\n')}

| scenario | ${rwsems.join(' | ')} |
|---|${rwsems.map(() => '---|').join('')}
${rows.join('\n')}
`
writeFileSync(join(root, 'docs/campaign.md'), page)

/** Of one scenario with one semaphore: under how many designs it is complete, and the bounds of the others. */
function cellOf(designs) {
  if (designs.length === 0) return 'not explored'
  const bad = designs
    .filter(({ verdict }) => verdict === 'fail')
    .map(({ design }) => `**fails under ${design}**`)
  const complete = designs.filter((each) => each.complete).length
  const bounds = Map.groupBy(
    designs.filter((each) => !each.complete && each.verdict !== 'fail').toSorted((a, b) => a.bound - b.bound),
    ({ bound }) => (bound < 0 ? '–' : String(bound)),
  )
  const parts = [...bounds].map(([bound, { length }]) => `bound ${bound}: ${length}`)
  if (complete > 0)
    parts.unshift(complete === designs.length ? `complete (${complete})` : `complete: ${complete}`)
  return [...bad, ...parts].join(', ')
}

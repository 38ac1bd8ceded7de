// Writes docs/campaign.md from what `faultline campaign examples/campaigns/check-all.json --json` printed:
// `node scripts/campaign-page.mjs FILE COMMIT`, COMMIT being that of the code that was explored.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './paths.mjs'

const [, , file, commit] = process.argv
if (commit === undefined) throw new Error('give the file of results, and the commit of the code')
const results = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .map(({ job, result, seconds }) => ({ ...job, ...result, seconds, limit: job.steps }))

const scenarios = Map.groupBy(results, ({ scenario }) => scenario)
const rwsems = [...new Set(results.map(({ rwsem }) => rwsem))]
const rows = [...scenarios].map(([scenario, all]) => {
  const cells = rwsems.map((rwsem) => cellOf(all.filter((each) => each.rwsem === rwsem)))
  return `| \`${scenario}\` | ${cells.join(' | ')} |`
})
const sum = (key) => results.reduce((total, result) => total + result[key], 0)
const count = (number) => number.toLocaleString('en-US')
const failed = results.filter(({ verdict }) => verdict === 'fail')
const whole = results.filter(({ complete }) => complete)
const limits = [...new Set(results.map(({ limit }) => count(limit)))].join(' or ')

const outcome = failed.length === 0 ? 'nothing failed' : `**${failed.length} failed**`
const minutes = count(Math.round(sum('seconds') / 60))
const intro = [
  `Results of a [campaign](campaigns.md) over all scenarios of commit ${commit}, each with ${limits} steps, written by`,
  `\`node scripts/campaign-page.mjs FILE COMMIT\` from the output of \`faultline campaign … --json\`. Of`,
  `${count(results.length)} explorations (scenario, design, semaphore) ${count(whole.length)} are complete: they cover every`,
  `interleaving. The others cover every interleaving with at most as many preemptions as the bound says; "–" means that`,
  `the steps were too few even for those without preemption. ${count(sum('executions'))} executions in ${minutes}`,
  `minutes of thread time; ${outcome}. More steps give higher bounds; \`npm run check:all\` allows 60,000,000 each.`,
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

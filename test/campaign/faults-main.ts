// `npm run faults:campaign -- [--rounds COUNT] [--seed FIRST]`: campaigns to which something happens at random moments,
// half of them on threads here and half on a queue, and a table of what happened. Ends with an error where one has
// other results.

import { parseArgs } from 'node:util'
import { type Fault, type Round, faults, runRound } from './faults.ts'
import { server } from './server.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
})
if (server === undefined) console.log('no redis-server or valkey-server: threads here only')
const rounds: Round[] = []
const first = Number(values.seed)
for (let seed = first; seed < first + Number(values.rounds); seed++) {
  const executor = server !== undefined && seed % 2 === 1 ? 'queue' : 'local'
  const round = await runRound(seed, executor)
  console.log(`${seed}, ${executor}: ${round.happened.join('; ') || 'nothing'}`)
  rounds.push(round)
}
console.log('\n| what happened | times | in rounds |\n|---|---|---|')
for (const fault of Object.keys(faults) as Fault[]) {
  const times = rounds.map(({ happened }) => happened.filter((each) => each === fault).length)
  const sum = times.reduce((all, count) => all + count, 0)
  console.log(`| ${fault} | ${sum} | ${times.filter((count) => count > 0).length} |`)
}
console.log(`\n${rounds.length} rounds, all with the same results`)

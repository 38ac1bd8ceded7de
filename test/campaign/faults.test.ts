// A round of what `npm run faults:campaign` does many of.

import { describe, it } from 'node:test'
import { extent } from '../extent.ts'
import { runRound } from './faults.ts'
import { server } from './server.ts'

describe('a campaign to which something happens', () => {
  for (let seed = 1; seed <= extent(1, 30); seed++) {
    const executor = seed % 2 === 1 ? 'queue' : 'local'
    const skip = executor === 'queue' && server === undefined && 'no redis-server or valkey-server'
    it(`has the same results: round ${seed}, ${executor}`, { skip }, async () => {
      await runRound(seed, executor)
    })
  }
})

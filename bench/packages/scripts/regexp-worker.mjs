import { RegExpWorker } from 'regexp-worker'

const worker = new RegExpWorker(1000)
const { matches } = await worker.matchAll('Good Morning', /\b\w+/g)
if (matches.length !== 2) throw new Error('others')
await worker.dispose()

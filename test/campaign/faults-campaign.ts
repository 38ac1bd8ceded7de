// A campaign in a process to which something happens: it tells of each task that is done, and of its results.
//
// Arguments: the file of the store; pages that the store may have, 0 for no limit; the address of a queue, or '' for
// two threads here.

import assert from 'node:assert/strict'
import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import { QueueExecutor } from '../../src/campaign/executors/queue.ts'
import { runCampaign } from '../../src/campaign/run.ts'
import { Store, StoreFailed } from '../../src/campaign/store.ts'
import type { Task } from '../../src/campaign/task.ts'
import { faultyJobs } from './faults.ts'
import { textOf } from './support.ts'

export type Told =
  | { readonly task: string }
  | { readonly results: string; readonly failed: readonly unknown[] }
  | { readonly stopped: string }

/** Asks for the task of this number again. */
export type Order = 'end a thread' | number

const tell = (told: Told): void => void process.send!(told)
const [, , path = '', pages = '0', queue = ''] = process.argv
const store = Store.open(path)
if (pages !== '0') store.limitPages(Number(pages))
const { jobs, folder } = await faultyJobs()
const executor = queue === '' ? new LocalExecutor(2, folder) : await QueueExecutor.open(queue)
const done: { readonly task: Task; readonly value: string }[] = []
const { run } = executor
executor.run = async (task) => {
  const outcome = await run.call(executor, task)
  done.push({ task, value: JSON.stringify(outcome.value) })
  tell({ task: task.key })
  return outcome
}
const again: Promise<void>[] = []
process.on('message', (order: Order) => {
  if (order === 'end a thread') (executor as LocalExecutor).killOne()
  else again.push(deliverAgain(done[order % done.length]!))
})

/** Asks for a task that was done, as a campaign does that has not heard of it. */
async function deliverAgain({ task, value }: (typeof done)[number]): Promise<void> {
  const another = await QueueExecutor.open(queue)
  assert.equal(JSON.stringify((await another.run(task)).value), value)
  await another.close()
}

try {
  const { results, failed } = await runCampaign(jobs, { executor, store })
  tell({ results: textOf(results), failed })
} catch (error) {
  if (!(error instanceof StoreFailed)) throw error
  tell({ stopped: error.message })
}
await Promise.all(again)
await executor.close()
store.close()
process.disconnect!()

// A worker of a queue in a process that is killed: it tells when it is there, and of each task that it has done.
//
// Arguments: the address of the queue; the folder of the files that may be checked, or none.

import { QueueWorker } from '../../src/campaign/executors/queue-worker.ts'

/** As short as a busy machine allows: so long after its death, its task is given to another. */
const LOCK_MS = 2000

await QueueWorker.start(process.argv[2]!, {
  workers: 1,
  files: process.argv[3],
  lockMs: LOCK_MS,
  onTask: (done) => process.send!(done),
})
process.send!(0)

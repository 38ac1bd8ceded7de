// A campaign in a process that is killed: it tells of each task that is done.
//
// Arguments: the file of the store.

import { LocalExecutor } from '../../src/campaign/executors/local.ts'
import type { Outcome, Task } from '../../src/campaign/task.ts'
import { runCampaign } from '../../src/campaign/run.ts'
import { Store } from '../../src/campaign/store.ts'
import { jobsOf, small } from './support.ts'

class TellingExecutor extends LocalExecutor {
  override async run(task: Task): Promise<Outcome> {
    const outcome = await super.run(task)
    // After what waits for the outcome has written it down.
    setImmediate(() => process.send!(task.key))
    return outcome
  }
}

const store = Store.open(process.argv[2]!)
await runCampaign(await jobsOf(small), { executor: new TellingExecutor(1), store })

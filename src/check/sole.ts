// The setup and the invariant of a scenario, where they wait: as a thread with an event loop that is alone. Nothing
// happens beside it, so there is one execution: of several events, the first is next.

import {
  type EventLoops,
  FINISHED,
  READY,
  Scheduler,
  Thread,
  runThreads,
  withoutTracer,
} from '../backends/stepped/index.ts'
import { NoScenario } from './no-scenario.ts'
import { RESCUES_MAX, letGoOn, longestWaiting, noticeChanges } from './passing-time.ts'

class Sole extends Scheduler {
  override readonly isSole = true
  readonly threads = [new Thread(0)] as const

  override choose(): number {
    const [thread] = this.threads
    noticeChanges(this.threads)
    if (thread.state === FINISHED) return -1
    if (thread.state !== READY) {
      // What it waits for can only be time.
      if (longestWaiting(this.threads) === null || thread.rescues >= RESCUES_MAX) return -1
      letGoOn(thread)
    }
    return thread.id
  }

  override plainRead(): void {
    // Nobody is there to race with.
  }

  override plainWrite(): void {
    // See plainRead.
  }
}

/** An invariant waits for what a thread was to send, say: that is a failure of the program. */
class NeverSettled extends Error {
  override readonly name = 'NeverSettled'
}

function neverSettled(what: string): Error {
  const told = `the ${what} of the scenario waits for what never comes: it runs alone`
  return what === 'invariant'
    ? new NeverSettled(told)
    : new NoScenario(told, 'let it wait for what it does itself')
}

/**
 * The result of `body`, awaited. Throws what it throws, NeverSettled where an invariant waits for what never comes, and
 * NoScenario where a setup does, or leaves a listener.
 */
export function runSole(loops: EventLoops, body: () => unknown, what: string): unknown {
  const sole = new Sole()
  let result: unknown
  let isTold = false
  const tell = (value: unknown): void => {
    result = value
    isTold = true
  }
  const { thrown } = withoutTracer(() => runThreads(sole.threads, [() => loops.tellResult(body, tell)], sole))
  if (thrown !== null) throw thrown.error
  if (sole.threads[0].state !== FINISHED)
    throw isTold
      ? new NoScenario(
          `the ${what} of the scenario leaves a listener at a port`,
          'remove it before the end: let the thread that uses the port add it',
        )
      : neverSettled(what)
  return result
}

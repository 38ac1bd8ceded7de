// Ctrl-C and SIGTERM: a command dies of the signal itself, as a shell expects, which then reports 130 or 143.
//
// `check` leaves that to the system: it computes on the main thread, where no handler would have its turn. The others
// take away what they have put on disk first; only the first Ctrl-C of `record` just ends the recording. They do not
// call process.exit(), which waits for the threads to stop: V8 looks for an interrupt in few of a thread's loops, so
// that one that never ends may never stop.
import { constants } from 'node:os'
import { clearProgress } from './progress.ts'

/**
 * From now on, what was to be done at the exit is done before a signal ends the process.
 * @param takesInterrupt asked at each Ctrl-C: true where something else was done instead
 */
export function cleanUpOnSignals(takesInterrupt: () => boolean = () => false): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const end = (): void => {
      if (signal === 'SIGINT' && takesInterrupt()) return
      clearProgress()
      process.off(signal, end)
      process.emit('exit', 128 + constants.signals[signal])
      process.removeAllListeners(signal)
      process.kill(process.pid, signal)
    }
    process.on(signal, end)
  }
}

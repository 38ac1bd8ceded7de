// What a recording without page faults has of them.
import type { TraceReport } from '../../src/report/replay-report.ts'

export const NO_FAULTS: TraceReport['faultCensus']['user'] = {
  faults: 0,
  lockedFaults: 0,
  lockedNs: 0,
  costNs: 0,
  samples: 0,
  delayedNs: 0,
  waitedNs: 0,
}

export const NO_CENSUS: TraceReport['faultCensus'] = {
  user: NO_FAULTS,
  kernel: {},
  avoidable: { user: NO_FAULTS, kernel: NO_FAULTS },
  mappedAgain: NO_FAULTS,
  dense: NO_FAULTS,
  fresh: NO_FAULTS,
  afterFork: NO_FAULTS,
  forked: NO_FAULTS,
  forkedDelayedNs: 0,
  copied: {},
  calls: {},
}

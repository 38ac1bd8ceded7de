// Single chips, of which there are measurements of one contended word: what the model is held against.

import type { MachineModel } from '../machine.ts'
import { skylake2s } from './skylake-2s.ts'

/** i7-6700HQ, four cores. */
export const skylakeClient: MachineModel = {
  ...skylake2s,
  name: 'skylake-client',
  title: 'i7-6700HQ (Skylake), 4 cores of 2 threads',
  source: 'travisdowns/concurrency-hierarchy-bench',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 4, threadsPerCore: 2 },
  // Fitted: what two threads take for a fetch-add of one word, 44.1 ns for both.
  latency: { ...skylake2s.latency, groupNs: 22, socketNs: 22, awayFromHomeNs: 22, remoteNs: 22 },
  residencyNs: 0,
  lastLevelBytes: 6 * 2 ** 20,
  bandwidthPerSocket: 30,
  fitted: { 'latency.groupNs': 'fetch-add, 2 threads' },
}

/** Graviton 2, 64 cores of Neoverse N1. */
export const graviton2: MachineModel = {
  ...skylake2s,
  name: 'graviton2',
  title: 'Graviton 2, 64 cores of Neoverse N1',
  source: 'core to core: nviennot/core-to-core-latency; one word: travisdowns/concurrency-hierarchy-bench',
  topology: { sockets: 1, groupsPerSocket: 1, coresPerGroup: 64, threadsPerCore: 1 },
  protocol: 'MOESI',
  // 47 ns between cores, 5.3 for one atomic operation.
  latency: {
    ...skylake2s.latency,
    atomicNs: 5.3,
    groupNs: 47,
    socketNs: 47,
    awayFromHomeNs: 47,
    remoteNs: 47,
  },
  // Fitted: 9.4 ns a fetch-add for 8 threads, so that a core does several while it has the line.
  residencyNs: 55,
  lastLevelBytes: 32 * 2 ** 20,
  bandwidthPerSocket: 150,
  // TLBI.
  broadcastsTlb: true,
  prefetchesMmapLock: false,
  fitted: { residencyNs: 'fetch-add, 8 threads' },
}

// The workloads of `faultline bench`, on worker threads and on the real kernel.
export * from './bench.ts'
export * from './catalogue.ts'
export { LinuxPeer, PeerError } from './linux-peer.ts'
export { median, overlaps, spread, type Spread } from './statistics.ts'
export * from './summary.ts'
export type { DesignRun, Latency, LockWait, Run } from './thread-run.ts'

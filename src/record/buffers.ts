// How large perf's buffers are: one for each processor, of memory that is not swapped.
import { CAP_IPC_LOCK, hasCapability, type Host, textOf } from './host.ts'

const MIB = 2 ** 20
/** Enough for 400,000 events on one processor before perf writes any. */
const USUAL = 32 * MIB
const LEAST = 128 * 1024
const LARGER = 4

/** Bytes of each buffer to begin with: a power of two. */
export function firstBuffer(host: Host): number {
  return Math.min(USUAL, mostFor(host, 1 / 8))
}

/** A larger one, after events were lost; null where there is no memory for it. */
export function largerBuffer(host: Host, bytes: number): number | null {
  const larger = Math.min(bytes * LARGER, mostFor(host, 1 / 4))
  return larger > bytes ? larger : null
}

function mostFor(host: Host, share: number): number {
  const most = Math.min((host.freeMemory * share) / host.cpus, lockable(host))
  return Math.max(LEAST, 2 ** Math.floor(Math.log2(most)))
}

/** perf_event_mlock_kb is a page more than a power of two: the page of the positions. */
function lockable(host: Host): number {
  const paranoid = Number(textOf(host, 'proc/sys/kernel/perf_event_paranoid') ?? 2)
  if (paranoid < 0 || hasCapability(host, CAP_IPC_LOCK)) return Infinity
  return (Number(textOf(host, 'proc/sys/kernel/perf_event_mlock_kb') ?? 516) - 4) * 1024
}

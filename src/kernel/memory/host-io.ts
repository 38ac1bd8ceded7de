// Reading and writing what the host keeps. The CPU is outside the kernel until the host has finished.

import { PAGE_SIZE } from '../machine/frames.ts'
import { Header } from '../machine/header.ts'
import { noteWhole } from '../machine/sectors.ts'
import { leaveForHost, returnFromHost } from '../machine/sleep.ts'
import { EIO } from '../mm/errno.ts'
import type { Task } from '../mm/task.ts'

/**
 * Reads pages from `index` on into the first `count` of `frames`, which belong to the caller. Returns the bytes read or
 * a negative errno. Bytes that the host did not fill are unchanged.
 */
export function readFromHost(
  cpu: Task,
  file: number,
  index: number,
  frames: Int32Array,
  count: number,
): number {
  const { host } = cpu
  if (host === null) return -EIO
  for (let n = 0; n < count; n++) noteWhole(cpu, frames[n])
  leaveForHost(cpu)
  const result = host.readPages(file, index, frames, count)
  returnFromHost(cpu)
  return result
}

/** Writes `bytes` bytes of the first `count` of `frames` from page `index` on. Returns 0 or a negative errno. */
export function writeToHost(
  cpu: Task,
  file: number,
  index: number,
  frames: Int32Array,
  count: number,
  bytes: number,
): number {
  const { host } = cpu
  if (host === null) return -EIO
  leaveForHost(cpu)
  const result = host.writePages(file, index, frames, count, bytes)
  returnFromHost(cpu)
  return result
}

/** Makes the host's data safe. Returns 0 or a negative errno. */
export function syncOnHost(cpu: Task, file: number): number {
  const { host } = cpu
  if (host === null) return -EIO
  leaveForHost(cpu)
  const result = host.syncFile(file)
  returnFromHost(cpu)
  return result
}

/** Changes the size of the host's file. Returns 0 or a negative errno. */
export function truncateOnHost(cpu: Task, file: number, pages: number, lastBytes: number): number {
  const { host } = cpu
  if (host === null) return -EIO
  leaveForHost(cpu)
  const result = host.truncateFile(file, pages, lastBytes)
  returnFromHost(cpu)
  return result
}

/** Opens the host's file for writing. Returns 0 or a negative errno. */
export function openOnHost(cpu: Task, file: number): number {
  const { host } = cpu
  if (host === null) return -EIO
  leaveForHost(cpu)
  const result = host.openFile(file)
  returnFromHost(cpu)
  return result
}

/** Releases what the host keeps for a file without references. */
export function forgetOnHost(cpu: Task, file: number): void {
  const { host } = cpu
  if (host === null) return
  leaveForHost(cpu)
  host.forgetFile(file)
  returnFromHost(cpu)
}

/** Reads slots of the swap area, from `slot` on, into the first `count` of `cpu.ioFrames`. Returns bytes or -errno. */
export function readSwapSlots(cpu: Task, slot: number, count: number): number {
  return readFromHost(cpu, cpu.heap[Header.swapFile], slot - 1, cpu.ioFrames, count)
}

/** Writes the first `count` of `frames` to the slots from `slot` on. Returns 0 or a negative errno. */
export function writeSwapSlots(cpu: Task, slot: number, frames: Int32Array, count: number): number {
  return writeToHost(cpu, cpu.heap[Header.swapFile], slot - 1, frames, count, count * PAGE_SIZE)
}

// One thread of a bench run: attaches to the address space, waits for the common start, and loops until
// stopped.
//
// Principles: the loops are those of loops.ts, and of bench/peers/linux.c for the real kernel. Between
// two timed faults nothing happens but faults: the count is published, the phase looked at and a latency
// taken once in LATENCY_SAMPLE_INTERVAL pages. A thread never stops inside a call: it leaves its loop by
// the phase word.
import { createHistogram, performance } from 'node:perf_hooks'
import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle, type MemoryFile } from '../backends/threads/index.ts'
import { LATENCY_SAMPLE_INTERVAL, PAGE_SIZE, WRITER_BYTES, type WorkloadName } from './catalogue.ts'
import { Control, PHASE_MEASURING, PHASE_STOPPED } from './control.ts'
import * as loops from './loops.ts'
import type { LoopThread } from './loops.ts'
import type { WorkerReport, WorkerTask } from './thread-run.ts'
import { performVmaMixStep, vmaMixAccess, vmaMixOthers, type VmaMixRole, VmaMixThread } from './vma-mix.ts'
import { xorshift32 } from './xorshift.ts'

const task = workerData as WorkerTask & { space: AddressSpaceHandle }
const space = AddressSpace.attach(task.space)
const control = new Control(task.control)
const { bytes, slot } = task

const latency = createHistogram()
const lockWaits = createHistogram()
let lockWaitTotalNs = 0
let count = 0
let untilSample = LATENCY_SAMPLE_INTERVAL

space.observe({
  mmapLockWait(_write: boolean, nanoseconds: number): void {
    if (control.phase() !== PHASE_MEASURING) return
    lockWaits.record(Math.max(1, Math.round(nanoseconds)))
    lockWaitTotalNs += nanoseconds
  },
})

let file: MemoryFile | null = null
let shared = false

const thread: LoopThread = {
  ready: begin,
  mapMemory: () => (file === null ? space.mmap(bytes) : space.mmap(bytes, { shared, file })),
  unmapMemory: (address) => space.munmap(address, bytes),
  discardMemory: (address) => space.madvise(address, bytes, 'dontneed'),
  openFile(isShared) {
    shared = isShared
    file = space.machine.createFile({ name: `${task.workload}.${slot}`, size: bytes })
  },
  closeFile: () => file?.close(),
  mapPopulated: () => space.munmap(space.mmap(WRITER_BYTES, { populate: true }), WRITER_BYTES),
  writePages: writeEveryPage,
  readPages: readEveryPage,
  countTurns: countOne,
}

const runs: Readonly<Record<WorkloadName, () => void>> = {
  page_fault1: () => loops.mapWriteUnmap(thread),
  page_fault3: () => loops.mapFileWriteUnmap(thread, true),
  mmap1: () => loops.mapUnmap(thread),
  'read-fault': () => loops.readDiscard(thread),
  'fault-beside-writer': () => loops.writeDiscard(thread),
  vma: () => stepMix(vmaMixAccess),
}

if (task.writer === null) runs[task.workload]()
else if (task.workload === 'vma') stepMix(vmaMixOthers[task.writer]!)
else loops.mapPopulateUnmap(thread)
const report: WorkerReport = { latency, lockWaits, lockWaitTotalNs }
parentPort!.postMessage({ done: report })

function begin(): void {
  parentPort!.postMessage({ ready: true })
  control.waitForStart()
}

function stepMix(role: VmaMixRole): void {
  const mix = new VmaMixThread(space, chance(slot))
  // Refusals are part of the mix. Where Linux returns a number, ours would write down the stack each time.
  Error.stackTraceLimit = 0
  begin()
  while (countOne()) performVmaMixStep(role, mix)
}

/** Numbers from 0 to `bound` - 1 by chance. */
function chance(seed: number): (bound: number) => number {
  const next = xorshift32(seed)
  return (bound) => next() % bound
}

/** Counts cycles of a loop whose cycles are calls; whether the run goes on. */
function countOne(cycles = 1): boolean {
  count += cycles
  control.publish(slot, count)
  return control.phase() !== PHASE_STOPPED
}

/** Writes byte 0 of every page of the mapping; whether the run goes on. */
function writeEveryPage(address: number): boolean {
  const end = address + bytes
  let page = address
  while (page < end) {
    const pause = Math.min(end, page + (untilSample - 1) * PAGE_SIZE)
    untilSample -= (pause - page) / PAGE_SIZE
    count += (pause - page) / PAGE_SIZE
    for (; page < pause; page += PAGE_SIZE) space.writeUint8(page, 0)
    control.publish(slot, count)
    if (page === end) break
    const start = performance.now()
    space.writeUint8(page, 0)
    const stop = performance.now()
    page += PAGE_SIZE
    count++
    untilSample = LATENCY_SAMPLE_INTERVAL
    if (!record(start, stop)) return false
  }
  return control.phase() !== PHASE_STOPPED
}

/**
 * Reads byte 0 of every page of the mapping; whether the run goes on. Kept apart so that each loop calls one access.
 */
function readEveryPage(address: number): boolean {
  const end = address + bytes
  let page = address
  while (page < end) {
    const pause = Math.min(end, page + (untilSample - 1) * PAGE_SIZE)
    untilSample -= (pause - page) / PAGE_SIZE
    count += (pause - page) / PAGE_SIZE
    for (; page < pause; page += PAGE_SIZE) space.readUint8(page)
    control.publish(slot, count)
    if (page === end) break
    const start = performance.now()
    space.readUint8(page)
    const stop = performance.now()
    page += PAGE_SIZE
    count++
    untilSample = LATENCY_SAMPLE_INTERVAL
    if (!record(start, stop)) return false
  }
  return control.phase() !== PHASE_STOPPED
}

/** Keeps the time of one fault if it fell into the measured window; whether the run goes on. */
function record(startMs: number, stopMs: number): boolean {
  const phase = control.phase()
  if (phase === PHASE_MEASURING) latency.record(Math.max(1, Math.round((stopMs - startMs) * 1e6)))
  return phase !== PHASE_STOPPED
}

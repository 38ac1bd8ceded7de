// The machine that is simulated: the kernel's own source, and what each thread of a workload does with it. Stepped with
// the kernel.
//
// Frames have no contents: nothing that a workload does depends on them. What clearing and copying them costs is asked
// of the meter.

import {
  type Accounting,
  CACHE_LINE_WORDS,
  MAP_FIXED,
  PhysicalMemory,
  type NodeOptions,
  type RwsemKind,
  rwsemKinds,
  type SpinlockKind,
  spinlockKinds,
  Task,
  VM_READ,
  VM_WRITE,
  bootKernel,
  cacheLineAlign,
  callEnter,
  callExit,
  createMm,
  designs,
  flushTlbRange,
  heapAlloc,
  joinMm,
  packKernelConfig,
} from '../kernel/index.ts'
import * as loops from '../workloads/loops.ts'
import * as programs from './stepped-programs.ts'
import { SimulatedThread, type ThreadMeter, type ThreadRequest } from './stepped-thread.ts'

/** What the simulator is told by the kernel that it runs, and what it is not to step. */
export interface KernelMeter {
  noteClear(thread: number, frame: number): void
  noteCopy(thread: number, to: number, from: number): void
  /** A thread has had the processor end translations on all CPUs. */
  noteBroadcast(thread: number): void
  /** A thread begins to wait for a lock, or, with 0, has got it. */
  noteContention(thread: number, lock: number, write: boolean): void
}

export interface Meter extends KernelMeter, ThreadMeter {}

export interface BootRequest {
  readonly threads: number
  readonly design: string
  readonly rwsem: string
  readonly config: Parameters<typeof packKernelConfig>[0]
  readonly rssBatched: boolean
  readonly accounting: Accounting
  readonly spinlock: SpinlockKind
  readonly nodes: NodeOptions
  readonly broadcastsTlb: boolean
  readonly frames: number
  readonly heapWords: number
  readonly meter: KernelMeter
}

export interface MachineRequest extends BootRequest, ThreadRequest {
  readonly workload: string
  readonly meter: Meter
}

export interface SimulatedMachine {
  readonly heap: Int32Array
  readonly tasks: readonly Task[]
  readonly mm: number
  /** The word that the threads of some workloads share. */
  readonly word: number
  readonly bodies: readonly (() => void)[]
}

/** Where mappings at fixed places begin, as a page: a multiple of what one table of the lowest level covers. */
const BASE = 0x10_0000
const TABLE_PAGES = 512
const STACK_PAGES = 2048
const MAPS_MAX = 65530

/** The machine as it is when the threads begin. */
export default function simulatedMachine(request: MachineRequest): SimulatedMachine {
  const { heap, tasks } = bootMachine(request)
  const [first] = tasks
  callEnter(first!)
  const mm = createMm(first!, MAPS_MAX, STACK_PAGES)
  callExit(first!)
  for (const task of tasks) {
    callEnter(task)
    joinMm(task, mm)
    callExit(task)
  }
  const workload = workloadBodies[request.workload]!
  const word = cacheLineAlign(heapAlloc(heap, 2 * CACHE_LINE_WORDS))
  const workers = tasks.map((task) => new SimulatedThread(task, mm, word, request))
  workload.prepare?.(workers[0]!, request)
  return { heap, tasks, mm, word, bodies: workers.map((worker) => () => workload.run(worker)) }
}

/** The kernel, booted, and a CPU of its for each thread. */
export function bootMachine(request: BootRequest): Pick<SimulatedMachine, 'heap' | 'tasks'> {
  const { threads, frames, heapWords, config } = request
  const heap = new Int32Array(new SharedArrayBuffer(heapWords * 4))
  const number = designs.findIndex((each) => each.description.name === request.design)
  const design = designs[number]!
  bootKernel(heap, {
    cpuCount: threads,
    frameCount: frames,
    heapWords,
    config: packKernelConfig(config),
    rwsemKind: rwsemKinds[request.rwsem as RwsemKind],
    spinlockKind: spinlockKinds[request.spinlock],
    design: number,
    rssBatched: request.rssBatched,
    accounting: request.accounting,
    nodes: request.nodes,
    overcommit: { memory: 1, ratio: 50, kilobytes: 0 },
  })
  const tasks = Array.from(
    { length: threads },
    (_, id) => new Task(id, heap, contentless(id, frames, request.meter), design),
  )
  for (const task of tasks) {
    task.tracepoints = tracepointsOf(task.id, request.meter)
    if (request.broadcastsTlb) task.tlbBroadcast = broadcastOf(task, tasks, request.meter)
  }
  return { heap, tasks }
}

/** Physical memory without contents. */
function contentless(thread: number, frameCount: number, meter: KernelMeter): PhysicalMemory {
  const words = new Int32Array(0)
  return {
    memory: null as unknown as PhysicalMemory['memory'],
    frameCount,
    bytes: new Uint8Array(0),
    words,
    copyOut() {
      throw new Error('simulated frames have no contents')
    },
    copyIn() {
      throw new Error('simulated frames have no contents')
    },
    zeroFrame: (frame) => meter.noteClear(thread, frame),
    copyFrame: (to, from) => meter.noteCopy(thread, to, from),
  }
}

function tracepointsOf(thread: number, meter: KernelMeter): NonNullable<Task['tracepoints']> {
  return {
    contentionBegin: (lock, write) => meter.noteContention(thread, lock, write),
    contentionEnd: () => meter.noteContention(thread, 0, false),
  }
}

function broadcastOf(
  task: Task,
  tasks: readonly Task[],
  meter: KernelMeter,
): NonNullable<Task['tlbBroadcast']> {
  return {
    flush(root, start, end) {
      for (const other of tasks) if (other !== task) flushTlbRange(other, root, start, end)
      meter.noteBroadcast(task.id)
    },
  }
}

interface WorkloadBody {
  /** What is done before the clock starts. */
  readonly prepare?: (first: SimulatedThread, request: MachineRequest) => void
  readonly run: (thread: SimulatedThread) => void
}

const workloadBodies: Readonly<Record<string, WorkloadBody>> = {
  page_fault1: { run: (thread) => loops.mapWriteUnmap(thread) },
  page_fault2: { run: (thread) => loops.mapFileWriteUnmap(thread, false) },
  page_fault3: { run: (thread) => loops.mapFileWriteUnmap(thread, true) },
  mmap1: { run: (thread) => loops.mapUnmap(thread) },
  malloc1: { run: allocateFree },
  brk1: { prepare: (first) => first.startHeap(), run: growShrink },
  'read-fault': { run: (thread) => loops.readDiscard(thread) },
  'fault-beside-writer': {
    run: (thread) => {
      if (thread.task.id === thread.threads - 1) loops.mapPopulateUnmap(thread)
      else loops.writeDiscard(thread)
    },
  },
  pft: { prepare: mapForAll, run: (thread) => void thread.writePages(BASE + thread.task.id * thread.pages) },
  'pft-split': {
    prepare: mapForEach,
    run: (thread) => void thread.writePages(placeOf(thread.task.id, thread)),
  },
  'multi-fault-all-split': { run: programs.multiFaultSplit },
  'multi-fault-all': { prepare: programs.mapApart, run: programs.multiFault },
  'multi-fault-all-serial': { prepare: programs.mapApart, run: programs.multiFaultSerial },
  'multi-fault-all-fork': { prepare: programs.mapApart, run: programs.multiFaultFork },
  'ebizzy-mTRp': { prepare: programs.ebizzyChunks, run: (thread) => programs.ebizzy(thread, 1) },
  'ebizzy-mTt': { prepare: programs.ebizzyChunks, run: (thread) => programs.ebizzy(thread, 128) },
  'spf_test-2x10': { prepare: programs.prepareSpfTest, run: (thread) => programs.spfTest(thread, 2, 10) },
  'spf_test-10x2': { prepare: programs.prepareSpfTest, run: (thread) => programs.spfTest(thread, 10, 2) },
  'spf_test-10x10': { prepare: programs.prepareSpfTest, run: (thread) => programs.spfTest(thread, 10, 10) },
  'spf_test-30x30': { prepare: programs.prepareSpfTest, run: (thread) => programs.spfTest(thread, 30, 30) },
  'fetch-add': { run: fetchAdd },
  'compare-and-swap': { run: compareAndSwap },
  'ping-pong': { run: pingPong },
}

/** pft: one mapping for all, of which each thread has a slice. */
function mapForAll(first: SimulatedThread): void {
  first.mapPages(BASE, first.pages * first.threads, VM_READ | VM_WRITE, MAP_FIXED, 0)
}

/** A mapping for each thread; not side by side, or they would be one VMA. */
function mapForEach(first: SimulatedThread): void {
  for (let id = 0; id < first.threads; id++)
    first.mapPages(placeOf(id, first), first.pages, VM_READ | VM_WRITE, MAP_FIXED, 0)
}

function placeOf(id: number, { pages }: SimulatedThread): number {
  return BASE + id * (pages + TABLE_PAGES)
}

/** will-it-scale brk1: threads share one end of the heap, and move it under each other's feet. */
function growShrink(thread: SimulatedThread): void {
  thread.ready()
  for (;;) {
    thread.moveBreak(1)
    thread.moveBreak(0)
    if (!thread.countTurns(2)) return
  }
}

/** will-it-scale malloc1: glibc maps what is so large, and writes the header of the chunk into its first page. */
function allocateFree(thread: SimulatedThread): void {
  thread.ready()
  for (;;) {
    const page = thread.mapPages(0, thread.pages + 1, VM_READ | VM_WRITE, 0, 0)
    thread.touchFirst(page)
    thread.unmapPages(page, thread.pages + 1)
    if (!thread.countTurns(1)) return
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// One word and nothing else: what the model of a machine is held against

/** Each turn adds 1 to the word in one instruction. */
function fetchAdd(thread: SimulatedThread): void {
  const { heap } = thread.task
  do Atomics.add(heap, thread.word, 1)
  while (thread.countTurns(1))
}

/** The same with a loop of compare-and-swap, which goes on with what the failed one has seen. */
function compareAndSwap(thread: SimulatedThread): void {
  const { heap } = thread.task
  do {
    let value = Atomics.load(heap, thread.word)
    for (;;) {
      const seen = Atomics.compareExchange(heap, thread.word, value, value + 1)
      if (seen === value) break
      value = seen
    }
  } while (thread.countTurns(1))
}

/** Two threads take turns: each turn is one way of the word. */
function pingPong(thread: SimulatedThread): void {
  const { heap, id } = thread.task
  for (let turn = id; ; turn += thread.threads) {
    while (Atomics.compareExchange(heap, thread.word, turn, turn + 1) !== turn);
    if (!thread.countTurns(1)) return
  }
}

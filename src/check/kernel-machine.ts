// A machine for kernel scenarios. It is stepped together with the kernel.

import {
  type Accounting,
  Header,
  type KernelConfig,
  type NodeOptions,
  PAGE_SIZE,
  PAGE_WORDS,
  PhysicalMemory,
  type RwsemKind,
  type SpinlockKind,
  Task,
  bootKernel,
  createMm,
  designs,
  joinMm,
  kernelEnter,
  kernelExit,
  minimumHeapWords,
  packKernelConfig,
  resolveKernelConfig,
  rwsemKinds,
  spinlockKinds,
} from '../kernel/index.ts'
import { machineNearWrap } from './near-wrap.ts'
import { publishedDesign } from './published/index.ts'
import { ScenarioDisk } from './scenario-disk.ts'

export interface MachineChoice {
  readonly cpus: number
  readonly design: string
  readonly rwsem: RwsemKind
  /** How resident pages are counted. Default 'batched'. */
  readonly rss?: 'shared' | 'batched' | undefined
  /** With the errors of the published form, see published/. Default false. */
  readonly published?: boolean
  /** CPUs outside the scenario want the same locks: see scenarios/variants.ts. Default false. */
  readonly contended?: boolean | undefined
  readonly frames: number
  readonly config: Partial<KernelConfig>
  /** Default: none. */
  readonly accounting?: Accounting | undefined
  /** Default: test-and-set. */
  readonly spinlock?: SpinlockKind | undefined
  /** Memory nodes. Default: one. */
  readonly nodes?: NodeOptions | undefined
}

/** Of each page, scenarios look at so many words. */
const WORDS_SEEN = 2

export interface OpenedFile {
  readonly open: number
  readonly generation: number
}

export interface KernelMachine {
  readonly heap: Int32Array
  readonly tasks: readonly Task[]
  readonly mm: number
  /** The design is as it was published. */
  readonly published: boolean
  readonly contended: boolean
  readonly disk: ScenarioDisk
  /** Files on which the scenario holds a reference. */
  readonly kept: number[]
  /** What the scenario has opened for all threads: each open file and its number. */
  readonly opened: OpenedFile[]
  /** Address spaces that threads have forked and keep. */
  readonly forked: number[]
  /** The operations are run one after the other, to find out what they should give. */
  ordering: boolean
}

/** A machine with one address space, which every CPU has joined. All CPUs are outside. Freed objects are poisoned. */
export function bootMachine(choice: MachineChoice): KernelMachine {
  const { cpus, frames, design, rwsem } = choice
  const heapWords = minimumHeapWords(cpus, frames, choice.nodes?.count)
  const heap = new Int32Array(new SharedArrayBuffer(heapWords * 4))
  const { config } = resolveKernelConfig({
    SLUB_DEBUG: true,
    ...choice.config,
  })
  bootKernel(heap, {
    cpuCount: cpus,
    frameCount: frames,
    heapWords,
    config: packKernelConfig(config),
    rwsemKind: rwsemKinds[rwsem],
    spinlockKind: spinlockKinds[choice.spinlock ?? 'test-and-set'],
    design: designs.findIndex((candidate) => candidate.description.name === design),
    rssBatched: choice.rss !== 'shared',
    ...(choice.accounting && { accounting: choice.accounting }),
    ...(choice.nodes && { nodes: choice.nodes }),
  })
  if (rwsem === 'generic') machineNearWrap(heap, cpus)
  const memory = physicalMemory(frames)
  const mended = designs[heap[Header.design]!]!
  const { published = false, contended = false } = choice
  const chosen = published ? publishedDesign(mended) : mended
  const tasks = Array.from({ length: cpus }, (_, id) => new Task(id, heap, memory, chosen))
  const disk = new ScenarioDisk(heap, memory)
  for (const task of tasks) task.host = disk
  kernelEnter(tasks[0]!)
  const mm = createMm(tasks[0]!, 65530, 2048)
  kernelExit(tasks[0]!)
  for (const task of tasks) {
    kernelEnter(task)
    joinMm(task, mm)
    kernelExit(task)
  }
  return { heap, tasks, mm, published, contended, disk, kept: [], opened: [], forked: [], ordering: false }
}

/** CPU `id` for a thread that takes it, or that cleans up after its dead thread. */
export function freshTask(id: number, { heap, memory, design, host }: Task): Task {
  const task = new Task(id, heap, memory, design)
  task.host = host
  return task
}

/**
 * Frames whose every access is seen: what the bulk instructions of WebAssembly do, in JavaScript. Scenarios access
 * memory by words, so that a word is the smallest distinguished part.
 */
function physicalMemory(frames: number): PhysicalMemory {
  const buffer = new SharedArrayBuffer(frames * PAGE_SIZE)
  const words = new Int32Array(buffer)
  return {
    memory: { buffer } as unknown as PhysicalMemory['memory'],
    frameCount: frames,
    get bytes(): Uint8Array {
      throw new Error('scenarios access memory by words')
    },
    words,
    copyOut() {
      throw new Error('scenarios access memory by words')
    },
    // Of a whole page, what scenarios look at. Others may see the words while they come, as on hardware.
    copyIn(to, source, start, length) {
      const count = length === PAGE_SIZE ? WORDS_SEEN : length / 4
      const from = new Int32Array(source.buffer, source.byteOffset + start, count)
      for (let word = 0; word < count; word++) Atomics.store(words, to / 4 + word, from[word]!)
    },
    zeroFrame: (frame) => void words.fill(0, frame * PAGE_WORDS, (frame + 1) * PAGE_WORDS),
    copyFrame: (to, from) =>
      void words.copyWithin(to * PAGE_WORDS, from * PAGE_WORDS, (from + 1) * PAGE_WORDS),
  }
}

// A machine for tests of the kernel itself: one or more CPUs in one thread, taking turns where the test says so.

import {
  type Design,
  type KernelConfig,
  type NodeOptions,
  PhysicalMemory,
  type RwsemKind,
  Task,
  bootKernel,
  createMm,
  createPhysicalMemory,
  defaultHeapWords,
  designs,
  joinMm,
  kernelEnter,
  packKernelConfig,
  resolveKernelConfig,
  rwsemKinds,
} from '../../src/kernel/index.ts'

export interface TestMachine {
  readonly heap: Int32Array
  readonly tasks: readonly Task[]
}

export interface TestMachineOptions {
  readonly cpus?: number
  readonly frames?: number
  /** The name of one, or one that is not in the list. */
  readonly design?: string | Design
  /** Default: xadd. */
  readonly rwsem?: RwsemKind
  readonly config?: Partial<KernelConfig>
  readonly nodes?: NodeOptions
}

function named(name: string): Design {
  return designs.find((design) => design.description.name === name)!
}

/** A machine whose CPUs are all outside the kernel. Poisoning is on. */
export function testMachine(options: TestMachineOptions = {}): TestMachine {
  const { cpus = 1, frames = 1024, design = 'classic', rwsem = 'xadd' } = options
  const heapWords = defaultHeapWords(cpus, frames)
  const chosen = typeof design === 'string' ? named(design) : design
  const heap = new Int32Array(new SharedArrayBuffer(heapWords * 4))
  const { config } = resolveKernelConfig({ SLUB_DEBUG: true, ...options.config })
  bootKernel(heap, {
    cpuCount: cpus,
    frameCount: frames,
    heapWords,
    config: packKernelConfig(config),
    rwsemKind: rwsemKinds[rwsem],
    design: Math.max(0, designs.indexOf(chosen)),
    rssBatched: true,
    ...(options.nodes && { nodes: options.nodes }),
  })
  const memory = new PhysicalMemory(createPhysicalMemory(frames))
  const tasks = Array.from({ length: cpus }, (_, id) => new Task(id, heap, memory, chosen))
  return { heap, tasks }
}

/** A machine with one CPU, inside the kernel, and an address space that it has joined. */
export function testSpace(options: TestMachineOptions = {}): { task: Task; heap: Int32Array; mm: number } {
  const { heap, tasks } = testMachine(options)
  const task = tasks[0]!
  kernelEnter(task)
  const mm = createMm(task, 65530, 2048)
  joinMm(task, mm)
  return { task, heap, mm }
}

// The machine of the conflict matrix: an address space that has been in use for a while, and what two CPUs do with it.
// Stepped with the kernel.
//
// Both CPUs have faulted everywhere by then, so that page tables, VMA caches and the lists of each CPU are filled. What
// a CPU fetches and gives back in batches is moved on a little by each stage, so that there are stages in which a batch
// is due and others in which it is not.

import {
  MAP_FIXED,
  VM_READ,
  VM_WRITE,
  createFile,
  createMm,
  kernelEnter,
  kernelExit,
  mmap,
  munmap,
} from '../kernel/index.ts'
import { type KernelMachine, type MachineChoice, bootMachine } from './kernel-machine.ts'
import { ScenarioCpu } from './scenario-cpu/index.ts'

/** Who does something: the first CPU of a pair or the second, so that two can do the same at two places. */
export type Role = 0 | 1

/** A mapping with two page tables; the operations that overlap with a fault change its beginning. */
const TARGET = 0x1000
const TARGET_PAGES = 0x400
/** The page that is there in the beginning of it, so that unmapping it has something to do. */
const RESIDENT = TARGET + 1
const SAME_TABLE = TARGET + 0x40
const OTHER_TABLE = TARGET + 0x240
/** A mapping with a page table of its own. */
const OTHER_VMA = 0x2000
/** A mapping of a file whose pages are cached. */
const FILE = 0x3000
const FILE_PAGES = 0x70
const OTHER_FILE_PAGE = FILE + 0x40
/** Where each CPU maps, and what each unmaps, protects and discards: one page of four is there. */
const FREE_PLACES = [0x8000, 0x9000] as const
const ELSEWHERE = [0xa000, 0xb000] as const
const FEW_PAGES = 4
const HEAP = 0xc000
/** From which each CPU takes frames that it keeps for a while. */
const RESERVES = [0x10000, 0x11000] as const
/** Frames and VMAs that each CPU takes in a stage of the first half, and gives back in one of the second. */
const FRAMES_A_STAGE = 3

/** Stages of the first half: enough for a thread to hand over the resident pages that it has counted (64 events). */
const RISING_STAGES = 66
const STAGES = 2 * RISING_STAGES

const FRAMES = 1024

type Operation = (cpu: ScenarioCpu, role: Role) => unknown

const operations = {
  'write fault': (cpu) => cpu.store(TARGET, 1),
  'write fault, same page table': (cpu) => cpu.store(SAME_TABLE, 1),
  'write fault, same VMA': (cpu) => cpu.store(OTHER_TABLE, 1),
  'write fault, other VMA': (cpu) => cpu.store(OTHER_VMA, 1),
  'read fault': (cpu) => cpu.load(TARGET),
  'read fault, same page table': (cpu) => cpu.load(SAME_TABLE),
  'read fault, other VMA': (cpu) => cpu.load(OTHER_VMA),
  'file fault': (cpu) => cpu.load(FILE),
  'file fault, same page table': (cpu) => cpu.load(OTHER_FILE_PAGE),
  'mmap elsewhere': (cpu, role) => cpu.mapPages(FREE_PLACES[role], FEW_PAGES),
  'mmap over it': (cpu) => cpu.mapPages(TARGET, FEW_PAGES),
  'munmap elsewhere': (cpu, role) => cpu.unmap(ELSEWHERE[role], FEW_PAGES),
  'munmap of it': (cpu) => cpu.unmap(TARGET, FEW_PAGES),
  'mprotect elsewhere': (cpu, role) => cpu.protect(ELSEWHERE[role], FEW_PAGES, 'r'),
  'mprotect of it': (cpu) => cpu.protect(TARGET, FEW_PAGES, 'r'),
  'MADV_DONTNEED elsewhere': (cpu, role) => cpu.discard(ELSEWHERE[role], FEW_PAGES),
  'MADV_DONTNEED of it': (cpu) => cpu.discard(TARGET, FEW_PAGES),
  brk: (cpu) => cpu.heap(FEW_PAGES + 1),
} satisfies Record<string, Operation>

export type OperationName = keyof typeof operations
const operationsByName: Readonly<Record<OperationName, Operation>> = operations

export interface ConflictMachine {
  readonly machine: KernelMachine
  readonly stages: number
  /** Takes the lists of each CPU on to the next stage, from 0 to {@link stages} - 1. */
  advance(stage: number): void
  perform(operation: OperationName, role: Role): void
  /** Whether the last fault of a CPU was handled without the mmap lock. */
  wasSpeculative(role: Role): boolean
}

/** The machine before its first stage. */
export default function conflictMachine(
  choice: Omit<MachineChoice, 'cpus' | 'frames' | 'config'>,
): ConflictMachine {
  const machine = bootMachine({ ...choice, cpus: 2, frames: FRAMES, config: {} })
  const cpus = machine.tasks.map((task) => new ScenarioCpu(machine, task, machine.mm))
  prepare(cpus)
  // VMAs that come and go in another address space, for the lists of free ones.
  const [first] = machine.tasks
  kernelEnter(first!)
  const spare = createMm(first!, 65530, 2048)
  kernelExit(first!)
  return {
    machine,
    stages: STAGES,
    advance: (stage) => advance(cpus, spare, stage),
    perform: (operation, role) => {
      operationsByName[operation](cpus[role]!, role)
    },
    wasSpeculative: (role) => machine.tasks[role]!.lastFaultSpeculative,
  }
}

function prepare(cpus: readonly ScenarioCpu[]): void {
  const [cpu] = cpus
  cpu!.mapPages(TARGET, TARGET_PAGES)
  cpu!.mapPages(OTHER_VMA, TARGET_PAGES)
  mapFile(cpu!)
  for (const start of RESERVES) cpu!.mapPages(start, TARGET_PAGES)
  for (const start of ELSEWHERE) cpu!.mapPages(start, FEW_PAGES)
  cpu!.startHeap(HEAP)
  cpu!.heap(FEW_PAGES)
  for (const page of [RESIDENT, OTHER_TABLE + 1, OTHER_VMA + 1, ...RESERVES, ...ELSEWHERE, HEAP])
    cpu!.store(page, 1)
}

/** Maps the file, and brings all its pages into its cache. */
function mapFile(cpu: ScenarioCpu): void {
  const { task, mm } = cpu
  kernelEnter(task)
  const file = createFile(task, FILE_PAGES, 4096, 0)
  mmap(task, mm, FILE, FILE_PAGES, VM_READ, MAP_FIXED, file, 0)
  kernelExit(task)
  for (let page = FILE; page < FILE + FILE_PAGES; page++) cpu.load(page)
  cpu.discard(FILE, FILE_PAGES)
}

function advance(cpus: readonly ScenarioCpu[], spare: number, stage: number): void {
  cpus.forEach((cpu, role) => {
    const rising = stage < RISING_STAGES
    const step = rising ? stage : STAGES - 1 - stage
    const first = RESERVES[role]! + 1 + step * FRAMES_A_STAGE
    for (let page = first; page < first + FRAMES_A_STAGE; page++) {
      if (rising) cpu.store(page, 1)
      else cpu.discard(page, 1)
    }
    // Not side by side, or they would be one VMA.
    const place = RESERVES[role]! + 2 * step
    kernelEnter(cpu.task)
    if (rising) mmap(cpu.task, spare, place, 1, VM_READ | VM_WRITE, MAP_FIXED, 0, 0)
    else munmap(cpu.task, spare, place, place + 1)
    kernelExit(cpu.task)
  })
  for (const cpu of cpus) faultEverywhere(cpu)
}

/** The CPU has seen the address space as it is: its VMA cache is filled, and no design has anything to catch up on. */
function faultEverywhere(cpu: ScenarioCpu): void {
  for (const page of [SAME_TABLE + 1, OTHER_TABLE + 2, OTHER_VMA + 2, OTHER_FILE_PAGE + 0x20]) {
    for (let turn = 0; turn < 2; turn++) {
      cpu.discard(page & -16, 16)
      cpu.load(page)
    }
    cpu.discard(page & -16, 16)
  }
}

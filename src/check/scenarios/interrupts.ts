// Interrupts, and the calls of other CPUs that they deliver.

import {
  ACCESS_READ,
  ACCESS_WRITE,
  CALL_DRAIN_PCP,
  CALL_FLUSH_TLB,
  CPU_ENTRY,
  CPU_INSIDE,
  CPU_INTERRUPT,
  FAULT_PROTECTION,
  PAGE_TABLE_WORDS,
  PTE_ACCESSED,
  PTE_FRAME_SHIFT,
  PTE_PRESENT,
  PageTable,
  type Task,
  callEnter,
  callExit,
  callFunctionMany,
  callFunctionSingle,
  defineCall,
  pteAddress,
  synchronizeRcu,
  translate,
} from '../../kernel/index.ts'
import { firstPage, warmPage } from './pages.ts'
import { kernelScenarios, primitiveScenarios } from './table.ts'

/** The first step of kernelEnter(), and the first of an answer, and no more; then the thread comes back. */
function cutOff(cpu: Task): string {
  const { heap, base } = cpu
  callExit(cpu)
  cpu.entered = true
  Atomics.add(heap, base, CPU_ENTRY + CPU_INSIDE)
  Atomics.and(heap, base, ~CPU_INTERRUPT)
  callEnter(cpu)
  return 'came back'
}

function flush(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  return 'flushed'
}

/** In the mask of CPUs, which has a word for 32 of them. */
const ALL = 0b11

function callOther(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  return 'answered'
}

function flushTwice(cpu: Task, at: number): string {
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 7, 8)
  callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 9, 10)
  return 'flushed'
}

function waitForGracePeriod(cpu: Task): string {
  synchronizeRcu(cpu)
  return 'waited'
}

const CALL_NOTE = 3

let word = 0
defineCall<Task>(CALL_NOTE, (cpu) => Atomics.store(cpu.heap, word + 1, 1))

/** The page in {@link fillTables}. */
const PAGE = 5

/** The pte table below the root at `at`, whose other words are the tables in between. */
function pteTableOf(at: number): number {
  return at + 3 * PAGE_TABLE_WORDS
}

/** Maps a page for reading, and has the CPU read it. */
function fillTables(cpu: Task, at: number): void {
  const [pud, pmd] = [at + PAGE_TABLE_WORDS, at + 2 * PAGE_TABLE_WORDS]
  cpu.heap[at] = pud
  cpu.heap[pud + PageTable.entries] = pmd
  cpu.heap[pmd + PageTable.entries] = pteTableOf(at)
  cpu.heap[pteAddress(pteTableOf(at), PAGE)] = (1 << PTE_FRAME_SHIFT) | PTE_PRESENT | PTE_ACCESSED
  translate(cpu, at, PAGE, ACCESS_READ)
}

function writeThenRead(cpu: Task, at: number): string {
  if (translate(cpu, at, PAGE, ACCESS_WRITE) !== 0)
    throw new Error('a page is written that is mapped for reading')
  if ((cpu.faultError & FAULT_PROTECTION) !== 0) return 'refused'
  if (translate(cpu, at, PAGE, ACCESS_READ) !== 0)
    throw new Error('a CPU reads a page by a translation that a fault on the page has met before')
  return 'gone'
}

function withdraw(cpu: Task, at: number): string {
  Atomics.store(cpu.heap, pteAddress(pteTableOf(at), PAGE), 0)
  return 'withdrawn'
}

/** A page in another page table. */
const far = firstPage + 0x200

export default {
  ...kernelScenarios({
    // A CPU that has used a page, and munmap by another: no translation may outlive munmap.
    'stale-access': {
      setup: (cpu, all) => {
        cpu.mapPages(firstPage, 4)
        for (const each of all) each.store(firstPage, 7)
        cpu.store(warmPage, 8)
      },
      threads: [
        [(cpu) => cpu.add(firstPage, 1), (cpu) => cpu.add(firstPage, 1)],
        [(cpu) => cpu.unmap(firstPage, 1), (cpu) => cpu.load(firstPage)],
      ],
    },
    // The deadlock of interrupts (race R11): one CPU holds the page-table lock and waits until the other has flushed
    // its TLB; the other wants the lock with interrupts disabled. Page tables are freed here after an interrupt and not
    // through RCU, so that the speculative walk disables interrupts; it therefore only tries the lock.
    'interrupt-deadlock': {
      config: { MMU_GATHER_RCU_TABLE_FREE: false },
      setup: (cpu, all) => {
        cpu.mapPages(firstPage, 4)
        cpu.store(warmPage, 7)
        for (const each of all) each.load(firstPage)
      },
      threads: [[(cpu) => cpu.store(firstPage, 42)], [(cpu) => cpu.store(firstPage + 2, 43)]],
      pages: [firstPage, firstPage + 2],
    },
    // The deadlock of interrupts (race R11) over three CPUs and two page tables. One copies on write and waits, with
    // the second table locked, until all have flushed; mremap has locked the first table and waits for the second; a
    // fault waits for the first with interrupts disabled, if its design does this. The fault does not wait for the CPU
    // that waits for it.
    'interrupt-deadlock-chain': {
      setup: (cpu, all) => {
        cpu.mapPages(firstPage, 1)
        cpu.store(firstPage, 7)
        cpu.mapPages(firstPage + 8, 2)
        cpu.store(firstPage + 9, 7)
        cpu.mapPages(far + 8, 2)
        cpu.store(far + 9, 7)
        for (const each of all) each.load(far + 8)
      },
      threads: [
        [(cpu) => cpu.move(firstPage, 1, far)],
        [(cpu) => cpu.store(firstPage + 8, 42)],
        [(cpu) => cpu.store(far + 8, 43)],
      ],
      pages: [firstPage + 8, far, far + 8],
    },
  }),
  ...primitiveScenarios({
    // A thread enters the kernel, begins to answer a call, and is aborted there, as the host does with a script that
    // runs too long. When the thread returns, it ends that stay. The caller waits for the answer meanwhile.
    'answer-cut-off': {
      words: 1,
      setup: (cpu, at) => {
        cpu.heap[at] = 0b01
      },
      threads: [cutOff, flush],
    },
    // A CPU that has called others halts at once until it is woken (see variants.ts): each answer must wake it.
    'answer-halting': {
      words: 1,
      setup: (cpu, at) => {
        cpu.heap[at] = ALL
      },
      threads: [callOther, callOther],
    },
    // A page is removed from the page table, and a CPU that has read it writes to it before anyone makes it flush: the
    // fault finds no page, and drops the entry of the TLB.
    'fault-drops-translation': {
      words: 4 * PAGE_TABLE_WORDS,
      // Addresses of tables, which lie elsewhere under other designs.
      hints: [0, PAGE_TABLE_WORDS + PageTable.entries, 2 * PAGE_TABLE_WORDS + PageTable.entries],
      setup: fillTables,
      threads: [writeThenRead, withdraw],
    },
    // A CPU has just left the kernel to wait for a grace period when another calls it to flush: it sees the interrupt
    // while it waits. It must not answer then: the caller withdraws the call and does not wait, so that the arguments
    // may already be those of its next call.
    'called-outside': {
      words: 1,
      setup: (cpu, at) => {
        cpu.heap[at] = 0b01
      },
      threads: [waitForGracePeriod, flushTwice],
    },
    // CPU 0 answers the drain of CPU 1, which unlocks, while the call of CPU 2 is pending. If it answered within the
    // answer, it would also answer CPU 1, which continues with its next call, and then answer again without having done
    // that call.
    'nested-answer': {
      words: 2,
      setup: (cpu, at) => {
        word = at
        cpu.heap[at] = 0b001
      },
      threads: [
        () => 'inside',
        (cpu, at) => {
          callFunctionSingle(cpu, 0, CALL_DRAIN_PCP)
          const wasInside = callFunctionSingle(cpu, 0, CALL_NOTE)
          if (wasInside && Atomics.load(cpu.heap, at + 1) === 0)
            throw new Error('CPU 0 has answered a call that it has not done')
          Atomics.store(cpu.heap, at + 1, 1)
          return 'called'
        },
        (cpu, at) => {
          callFunctionMany(cpu, at, CALL_FLUSH_TLB, 0, 9, 10)
          return 'flushed'
        },
      ],
    },
  }),
}

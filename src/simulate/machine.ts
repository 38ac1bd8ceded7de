// What a simulated machine is: its shape, its protocol, and what things cost on it. Data; a file of a user's own has
// the same shape.

import type { AccountingName, RwsemKind, SpinlockKind } from '../kernel/index.ts'
import type { RwsemChoice } from '../workloads/catalogue.ts'
import type { LatencyTable } from './latency.ts'
import type { ProtocolName } from './protocol.ts'
import type { TopologyShape } from './topology.ts'

/** Nanoseconds for a page of 4 KiB: where the frame is in the last-level cache, and where it is not. */
export interface PageCost {
  readonly hotNs: number
  readonly coldNs: number
}

/** What kernel code and hardware take beside the accesses that the simulated kernel does itself. Nanoseconds. */
export interface SoftwareCosts {
  /** Into the page-fault handler and back to the program. */
  readonly exceptionNs: number
  /** Into a system call and back. */
  readonly systemCallNs: number
  /** What a fault computes that the simulated kernel has no accesses for. Mostly fitted: see `fitted`. */
  readonly faultNs: number
  /** A call to other CPUs: what the caller takes for the first, and for each further one. */
  readonly ipiNs: number
  readonly ipiPerCpuNs: number
  /** What a CPU that is called takes, besides what it is called for. */
  readonly interruptNs: number
  /** What it takes to wake a thread, and how long it is until it runs. */
  readonly wakeNs: number
  readonly wakeLatencyNs: number
  /** The same for a CPU that halts where it would spin (`pv_wait`); 0 on bare metal, where it spins on. */
  readonly kickNs: number
  /**
   * What a frame takes that leaves a zone, or comes back, with the lock of the zone held: in Linux the buddy lists,
   * whose structs are in no cache. Default 0, of what the simulated kernel has no accesses for.
   */
  readonly zoneFrameNs?: number
  /**
   * What a page takes that is unmapped, under the lock of its page table, beside the accesses that the simulated kernel
   * has for it: in Linux its reverse mapping, `mmu_gather`, and its struct, which is in no cache. Default 0.
   */
  readonly unmapPageNs?: number
  /**
   * What a call that changes the layout takes with the mmap lock held for writing, beside the accesses that the
   * simulated kernel has for it: in Linux its VMA and its nodes of the tree are allocated, charged and freed, security
   * modules and perf are asked, page tables are looked for. Default 0.
   */
  readonly layoutNs?: number
  /** Making a thread, but for the memory that its maker maps for it. Default 25 µs, an estimate. */
  readonly createNs?: number
}

export interface MachineModel {
  readonly name: string
  /** What it is, in a line. */
  readonly title: string
  /** Where its numbers come from. */
  readonly source: string
  readonly topology: TopologyShape
  readonly protocol: ProtocolName
  readonly latency: LatencyTable
  /**
   * How long a line stays with the core that has got it for writing before another may take it: what that core does
   * with it meanwhile are hits. Nobody has measured it on machines with two sockets: 2 is assumed there, which is
   * enough to try a compare-and-swap again that has failed, and not for more.
   */
  readonly residencyNs: number
  /** How often in a row a line is handed on within a group, or a socket, while somebody farther waits; 0: in turn. */
  readonly nearHandovers: number
  /** How soon after each other a clean line can be read from the last level by several. */
  readonly sharedReadNs: number
  readonly clearing: PageCost
  readonly copying: PageCost
  /** Bytes of the last-level cache of a group of cores. */
  readonly lastLevelBytes: number
  /** Sustained, in bytes a nanosecond (GB/s). */
  readonly bandwidthPerSocket: number
  readonly software: SoftwareCosts
  /** All sockets have one memory, behind one bus with `bandwidthPerSocket`. Default: each has its own. */
  readonly hasOneMemory?: boolean
  /**
   * The processor ends the translations of all CPUs at once, which takes the one that asks `software.ipiNs`; default:
   * each is called by an interrupt.
   */
  readonly broadcastsTlb?: boolean
  /**
   * With an accounting of Linux before 6.16, a fault asks for the line of the mmap lock, to write it, before anything
   * else: `prefetchw(&mm->mmap_lock)` in the handler of x86, where the processor has the instruction (AMD; Intel since
   * Broadwell, before which Linux has it read). Default: no.
   */
  readonly prefetchesMmapLock?: boolean
  /**
   * With the accounting of 5.11, the root of the page table (`pgd` in `mm_struct`) is on the line of the mmap lock, and
   * each fault reads it when it walks, so that it waits for that line, also if it takes no mmap lock. True where the
   * kernel that was measured is 5.11 or 5.12: there `write_protect_seq` had moved the lock to offset 128 (2e3025434a6b
   * moved it back before 5.13), while the root is at 80. Behind the lock, the patches put `mmap_seq`, which the faults
   * of Lespinasse's designs read. Default: no.
   */
  readonly isRootApart?: boolean
  /** How much longer a thread computes while the other thread of its core computes too. */
  readonly smtFactor: number
  /**
   * Where cores differ: how fast each core of a socket is, as a share of the fastest, in their order. Software, hits
   * and locked instructions take longer than given on those that are slower; lines and frames do not.
   */
  readonly coreSpeeds?: readonly number[]
  /** What else a fault writes in the Linux that was measured on it, see kernel/memory/lru.ts. Default: nothing. */
  readonly accounting?: AccountingName
  /** What spinlocks are in that Linux, see kernel/sync/spinlock.ts. Default: test-and-set. */
  readonly spinlock?: SpinlockKind
  /** What semaphores are in that Linux, where designs were put on one that is not of their year. */
  readonly rwsem?: RwsemKind
  /** Constants that were fitted, by their path in this object, with the published rows that they were fitted on. */
  readonly fitted: Readonly<Record<string, string>>
}

/** How many times as long as on the fastest core software takes on each core of the machine. */
export function slownessOfCores({ coreSpeeds }: MachineModel, cores: number): Float64Array {
  return Float64Array.from({ length: cores }, (_, core) =>
    coreSpeeds === undefined ? 1 : 1 / coreSpeeds[core % coreSpeeds.length]!,
  )
}

/** What a fault writes besides: as it was asked for, or as in the kernel that was measured on the machine. */
export function accountingOf(machine: MachineModel, given?: AccountingName): AccountingName {
  return given ?? machine.accounting ?? 'none'
}

/** Whether a fault asks for the line of the mmap lock first: an x86 that runs a kernel which does. */
export function prefetchesMmapLock(machine: MachineModel, accounting: AccountingName): boolean {
  return machine.prefetchesMmapLock === true && accounting !== 'none' && accounting !== '6.16'
}

/**
 * What else is at the mmap lock. 'root': the root of the page table is on its line, which each fault reads; 'sequence':
 * the mm's sequence count is; 'owner': the lock begins at the end of a line, and its owner, which each CPU writes that
 * gets it, is on the next.
 */
export type BesideLock = 'root' | 'sequence' | 'owner' | null

export function besideLock(machine: MachineModel, accounting: AccountingName): BesideLock {
  switch (accounting) {
    case '5.11':
      return machine.isRootApart === true ? 'sequence' : 'root'
    case '6.1':
      return 'root'
    case '6.16':
      return 'owner'
    default:
      return null
  }
}

/** Whether the kernel that is measured places threads as Linux does since 6.0, see `Topology.place`. */
export function isSince6(accounting: AccountingName): boolean {
  return accounting !== 'none' && accounting !== '5.11'
}

/** What spinlocks are: as it was asked for, or as in the kernel that was measured on the machine. */
export function spinlockOf(machine: MachineModel, given?: SpinlockKind): SpinlockKind {
  return given ?? machine.spinlock ?? 'test-and-set'
}

/** What semaphores are: as it was asked for; instead of those of each design's year, those that the machine names. */
export function rwsemsOf(machine: MachineModel, given: RwsemChoice): RwsemChoice {
  return given === 'year' && machine.rwsem !== undefined ? [machine.rwsem] : given
}

// Mutants of the list of the LRU and what goes with it.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const lru = 'memory/lru.ts'
const alloc = 'memory/page-alloc.ts'

export const accountingMutants: MutantTable = {
  'batch-without-reference': {
    guard: 'a batch holds a reference on its pages',
    scenario: 'lru-fault-discard',
    patches: at(lru, 'addToLruBatch').drop('getPage(cpu, frame)'),
  },
  'batched-after-it-is-mapped': {
    guard: 'a page goes into the batch before others can find and remove it',
    scenario: 'lru-fault-discard',
    redundant:
      'a thread that removes the page first flushes all CPUs that use the address space, and so waits until this one has finished the fault',
    patches: [
      at('fault/anonymous.ts', 'installIfNone').drop('if ((entry & PTE_SPECIAL) === 0) $'),
      at('fault/anonymous.ts', 'doAnonymousPage').before(
        'if (installed === 1) $',
        'if (installed === 1) lruCacheAdd(cpu, frame)',
      ),
    ],
  },
  'list-not-locked': {
    guard: 'only one batch at a time goes on the list',
    scenario: 'lru-fault-fault',
    patches: [
      at(lru, 'putRunOnLru').drop('spinLock(cpu, lock)'),
      at(lru, 'putRunOnLru').drop('spinUnlock(cpu, lock)'),
    ],
  },
  'batch-on-one-list': {
    guard: 'a page goes on the list of its node',
    scenario: 'lru-two-nodes',
    patches: at(lru, 'putRunOnLru').force('nodeOfFrame(cpu, heap[pages + index]) === node', true),
  },
  'taken-from-the-list-of-another-node': {
    guard: 'a page leaves the list of its node',
    scenario: 'lru-two-nodes',
    patches: at(lru, 'releaseManyFromLru').force('nodeOfFrame(cpu, frames[index]) === node', true),
  },
  'freed-to-another-node': {
    guard: 'a frame goes back to the zone of its node',
    scenario: 'node-frames',
    patches: at(alloc, 'freeFrame').replace('const node = nodeOfFrame(cpu, frame)', 'const node = cpu.node'),
  },
  'frames-of-another-node-kept': {
    guard: 'a CPU that is asked to returns its cached frames of every node',
    scenario: 'node-frames-of-leaving-cpu',
    patches: at(alloc, 'drainWhole').replace(
      'for (let node = 0; node < cpu.nodeCount; node++) $',
      'drainPcp(cpu, base, cpu.heap[base + PerCpu.node], PCP_CAPACITY)',
    ),
  },
  'free-page-on-the-list': {
    guard: 'a page leaves the list before its frame is free',
    scenario: 'lru-fault-munmap',
    patches: [
      at(alloc, 'putPages').drop('releaseManyFromLru(cpu, frames, freed)'),
      at(alloc, 'freeFrame').drop('if (cpu.lruBatch !== 0) releaseFromLru(cpu, frame)'),
    ],
  },
  'batch-not-drained-before-copying': {
    guard: 'a page to which only this CPU’s batch also refers is not copied to be pinned',
    scenario: 'lru-pin',
    redundant:
      'the copy goes into the batch too, so that it is copied again until the batch is full and goes on the list: this only costs time',
    patches: at(alloc, 'lruAddDrainFor').force('cpu.lruBatch !== 0 && !isOnLru(cpu, frame)', false),
  },
  'uncharged-twice': {
    guard: 'a page that is freed is uncharged from the cgroup once',
    scenario: 'lru-fault-munmap',
    patches: at(lru, 'releaseManyFromLru').replace('uncharge(cpu, released)', 'uncharge(cpu, released + 1)'),
  },
}

// The classic fault path: every fault takes the mmap lock for reading. Linux from the beginning to 6.3.

import { Design } from '../fault/design.ts'
import type { DesignDescription } from '../mm/design-hooks.ts'

export class Classic extends Design {
  override readonly description: DesignDescription = {
    name: 'classic',
    year: 1998,
    author: 'Linux',
    rwsem: 'spinning',
    source: 'arch/x86/mm/fault.c and mm/memory.c of Linux 5.12, without any speculation',
    lookup: 'red-black tree under the mmap lock held for reading',
    lifetime: 'a VMA is freed only under the mmap lock held for writing',
    validation: 'none needed: the lock excludes every writer',
    commit: 'page-table lock',
    sharedWrites: ['mm.mmapLock', 'page.flags', 'page.refcount'],
  }
}

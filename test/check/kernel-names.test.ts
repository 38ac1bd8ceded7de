// Names of the kernel's memory and what its values mean, on a machine that really runs.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SHARED, type Watched, memory } from '../../src/backends/stepped/index.ts'
import { bootMachine } from '../../src/check/kernel-machine.ts'
import { KernelNames } from '../../src/check/kernel-names.ts'
import { ScenarioCpu } from '../../src/check/scenario-cpu/index.ts'
import {
  ACCESS_READ,
  CPU_ENTRY,
  File,
  MAP_FIXED,
  VM_READ,
  createFile,
  kernelEnter,
  kernelExit,
  mmap,
  touch,
  Header,
  layouts,
  Mm,
  PAGE_SIZE,
  PageTable,
  PerCpu,
  Vma,
  Zone,
} from '../../src/kernel/index.ts'

function boot(rwsem: 'xadd' | 'generic', design = 'lespinasse-2021') {
  memory.clear()
  const machine = bootMachine({ cpus: 2, design, rwsem, frames: 80, config: {} })
  memory.add(machine.heap, true)
  memory.add(machine.tasks[0]!.memory.words, true)
  const cpu = new ScenarioCpu(machine, machine.tasks[0]!, machine.mm)
  cpu.mapPages(0x1000, 4)
  cpu.store(0x1001, 7)
  const names = new KernelNames(machine)
  const first = (machine.heap as Watched)[SHARED]!.firstCell
  return {
    ...machine,
    cpu,
    names,
    nameOf: (word: number) => names.nameOf(first + word),
    valueOf: (word: number, value: number) => names.valueOf(first + word, value),
  }
}

describe('names of the kernel', () => {
  it('tell objects and fields apart', () => {
    const { heap, mm, tasks, cpu, names, nameOf } = boot('xadd')
    assert.equal(nameOf(mm + Mm.mmapSeq), 'mm.mmapSeq')
    assert.equal(nameOf(mm + Mm.mmapLock + 1), 'mm.mmapLock.waitLock')
    assert.equal(nameOf(tasks[1]!.base + PerCpu.mailbox), 'cpu1.mailbox')
    assert.equal(nameOf(heap[Header.zone]! + Zone.lock), 'zone.lock')
    assert.equal(nameOf(heap[Header.memoryMap]! + 8 * 3), 'page[frame 3].refcount')
    const vma = heap[mm + Mm.mmap]!
    assert.equal(nameOf(vma + Vma.vmEnd), 'vma[0x1000-0x1004].vmEnd')
    cpu.protect(0x1000, 2, 'r')
    names.look()
    const split = [vma, heap[vma + Vma.vmNext]!, heap[vma + Vma.vmPrev]!].filter((each) => each !== 0)
    assert.equal(split.length, 2)
    assert.equal(new Set(split.map((each) => nameOf(each))).size, 2)
    assert.equal(nameOf(vma + Vma.vmEnd), 'vma[0x1000-0x1004].vmEnd')
  })

  it('do not follow what is left in slots of the range tree that are not in use', () => {
    const { heap, mm, cpu, names, nameOf } = boot('xadd', 'per-vma-lock-2023')
    for (let page = 0x2000; page < 0x2080; page += 2) cpu.mapPages(page, 1)
    const root = heap[mm + Mm.rangeRoot]!
    const { fields } = layouts.find(({ name }) => name === 'range_node')!
    const shape = heap[root + fields['shape']!]!
    const children = root + fields['children']!
    const slots = fields['gaps']! - fields['children']!
    const [level, inUse] = [shape >> 8, shape & 0xff]
    assert.ok(level > 0 && inUse < slots, `a root of level ${level} with ${inUse} slots`)
    heap[children + slots - 1] = root
    names.look()
    assert.match(nameOf(heap[children + inUse - 1]!)!, /^rangeNode/)
  })

  it('tell where an entry of a page table is, and what it says', () => {
    const { heap, mm, nameOf, valueOf } = boot('xadd')
    const pgd = mm + Mm.pgd
    assert.equal(nameOf(pgd), 'pgd[0x0]')
    assert.equal(valueOf(pgd, heap[pgd]!), 'pudTable[0x0]')
    assert.equal(valueOf(pgd, 0), 'none')
    const pmd = heap[heap[pgd]! + PageTable.entries]! + PageTable.entries + 8
    assert.equal(nameOf(pmd), 'pmd[0x1000]')
    const table = heap[pmd]!
    assert.equal(nameOf(table + PageTable.ptl), 'pteTable[0x1000].ptl')
    const pte = table + PageTable.entries + 1
    assert.equal(nameOf(pte), 'pte[0x1001]')
    const frame = heap[pte]! >>> 12
    assert.equal(valueOf(pte, heap[pte]!), `frame ${frame} rw accessed dirty`)
    assert.equal(valueOf(pte, 0), '0')
    assert.equal(valueOf(pte, (5 << 12) | 1 | 32), 'frame 5 r zero page')
    assert.equal(valueOf(pte, (5 << 12) | 64), 'frame 5 no access')
  })

  it('tell contents of frames, and what is no object not at all', () => {
    const { heap, tasks, names, nameOf } = boot('xadd')
    const words = tasks[0]!.memory.words as Watched
    const word = words.indexOf(7)
    const cell = words[SHARED]!.firstCell + word
    assert.equal(names.nameOf(cell), `frame ${Math.floor((word * 4) / PAGE_SIZE)}[${word % 1024}]`)
    assert.equal(nameOf(heap.length - 1), undefined)
  })

  it('tell the range tree, files and SRCU', () => {
    const { heap, mm, tasks, names, nameOf } = boot('xadd', 'per-vma-lock-2023')
    assert.equal(nameOf(heap[mm + Mm.rangeRoot]!), 'rangeNode.shape')
    assert.equal(nameOf(Header.srcu), 'srcu.index')
    const [task] = tasks
    kernelEnter(task!)
    const file = createFile(task!, 100, 4096, 0)
    mmap(task!, mm, 0x2000, 100, VM_READ, MAP_FIXED, file, 0)
    kernelExit(task!)
    touch(task!, mm, 0x2000 * PAGE_SIZE, ACCESS_READ)
    touch(task!, mm, 0x2063 * PAGE_SIZE, ACCESS_READ)
    names.look()
    assert.equal(nameOf(file + File.lock), 'file.lock')
    const root = heap[file + File.root]!
    assert.equal(nameOf(root), 'radixNode.shift')
    assert.equal(nameOf(heap[root + 17]!), 'radixNode#3.shift')
  })

  it('tell the state of locks and CPUs', () => {
    const { heap, mm, tasks, valueOf } = boot('xadd')
    const lock = heap[Header.zone]! + Zone.lock
    const words = [0, 2, 4, 5, 1234].map((value) => valueOf(lock, value))
    assert.deepEqual(words, ['free', 'held by CPU 0', 'held by CPU 1', 'held by CPU 1, awaited', undefined])
    const rwsem = (value: number): string | undefined => valueOf(mm + Mm.mmapLock, value)
    assert.equal(rwsem(0), 'free')
    assert.equal(rwsem(2), '2 reading')
    assert.equal(rwsem(-0xffff), '1 active, 1 writing or waiting')
    assert.equal(valueOf(tasks[0]!.base, 3 * CPU_ENTRY + 1 + 2), 'inside+interrupt #3')
    assert.equal(valueOf(tasks[0]!.base, CPU_ENTRY), 'outside #1')
    assert.equal(valueOf(tasks[0]!.base + PerCpu.mailbox, 3), 'CPU 0+1')
    assert.equal(valueOf(tasks[0]!.base + PerCpu.haltedOn, lock), 'zone.lock')
    const generic = boot('generic')
    const count = generic.mm + Mm.mmapLock
    assert.deepEqual([generic.valueOf(count, -1), generic.valueOf(count, 2)], ['writing', '2 reading'])
  })
})

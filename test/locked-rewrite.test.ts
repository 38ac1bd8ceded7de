// What the build makes of `Atomics` on the kernel heap: the same, where it can prove what the array is, or else nothing
// at all.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { bundleKernel } from '../scripts/kernel-bundle.ts'
import { rewriteAtomics } from '../scripts/locked-rewrite.ts'
import { createHeapMemory, lockedInstructions } from '../src/backends/threads/locked.ts'
import * as source from '../src/kernel/index.ts'

type Kernel = typeof source

/** `body` in a function of a CPU, rewritten; null where nothing was. */
function inFunction(body: string, parameters = 'cpu: Cpu, word: number, heap2: Int32Array'): string | null {
  const head = `function f(${parameters}) { `
  const code = rewriteAtomics(`${head}${body} }`)?.toString()
  return code === undefined ? null : code.slice(head.length, -2)
}

test('each operation on the heap of a CPU becomes its instruction', () => {
  const cases: [string, string][] = [
    ['return Atomics.load(cpu.heap, word)', 'return cpu.lockedLoad(word)'],
    ['Atomics.store(cpu.heap, word, 1)', 'cpu.lockedStore(word, 1)'],
    ['return Atomics.add(cpu.heap, word, 1)', 'return cpu.lockedAdd(word, 1)'],
    ['return Atomics.sub(cpu.heap, word, 1)', 'return cpu.lockedSub(word, 1)'],
    ['return Atomics.and(cpu.heap, word, ~1)', 'return cpu.lockedAnd(word, ~1)'],
    ['return Atomics.or(cpu.heap, word, 1)', 'return cpu.lockedOr(word, 1)'],
    ['return Atomics.xor(cpu.heap, word, 1)', 'return cpu.lockedXor(word, 1)'],
    ['return Atomics.exchange(cpu.heap, word, 1)', 'return cpu.lockedExchange(word, 1)'],
    ['Atomics.compareExchange(cpu.heap, word, 0, 1)', 'cpu.lockedCompareExchange(word, 0, 1)'],
  ]
  for (const [from, to] of cases) assert.equal(inFunction(from), to)
})

test('the heap may have a name, and the CPU may be a task', () => {
  const cases: [string, string][] = [
    ['const { heap } = cpu; Atomics.add(heap, 1, 2)', 'const { heap } = cpu; cpu.lockedAdd(1, 2)'],
    ['const { id, heap: h } = cpu; Atomics.or(h, 1, 2)', 'const { id, heap: h } = cpu; cpu.lockedOr(1, 2)'],
    ['const heap = cpu.heap; Atomics.add(heap, 1, 2)', 'const heap = cpu.heap; cpu.lockedAdd(1, 2)'],
    [
      'const heap = cpu.heap; return () => Atomics.load(heap, 1)',
      'const heap = cpu.heap; return () => cpu.lockedLoad(1)',
    ],
    ['const c: Task = g(); Atomics.add(c.heap, 1, 2)', 'const c: Task = g(); c.lockedAdd(1, 2)'],
    [
      'Atomics.store(cpu.heap, 1, Atomics.load(cpu.heap, 2) + 1)',
      'cpu.lockedStore(1, cpu.lockedLoad(2) + 1)',
    ],
    ['Atomics.store(cpu.heap, 1, Atomics.load(heap2, 2))', 'cpu.lockedStore(1, Atomics.load(heap2, 2))'],
    ['if (word) Atomics.store(cpu.heap, 1, 2)', 'if (word) cpu.lockedStore(1, 2)'],
  ]
  for (const [from, to] of cases) assert.equal(inFunction(from), to)
  assert.equal(inFunction('Atomics.add(task.heap, 1, 2)', 'task: Task'), 'task.lockedAdd(1, 2)')
  const method = 'class A { f(cpu: Task): void { Atomics.add(cpu.heap, 1, 2) } }'
  assert.match(rewriteAtomics(method)!.toString(), /\{ cpu\.lockedAdd\(1, 2\) \}/)
})

test('an array that may be another stays as it is', () => {
  const refused = [
    // Not the heap of a CPU, as far as can be told.
    'Atomics.add(heap2, 1, 2)',
    'Atomics.add(cpu.memory.words, 1, 2)',
    'Atomics.add(cpu.words, 1, 2)',
    `Atomics.add(cpu['heap'], 1, 2)`,
    'Atomics.add(cpu[heap], 1, 2)',
    'Atomics.add(cpu?.heap, 1, 2)',
    'return class { #heap = 1; f(cpu: Cpu) { Atomics.add(cpu.#heap, 1, 2) } }',
    'Atomics.add(other.heap, 1, 2)',
    'Atomics.add(g(cpu).heap, 1, 2)',
    'const c = g(); Atomics.add(c.heap, 1, 2)',
    'const { heap } = g(cpu); Atomics.add(heap, 1, 2)',
    'const { memory: heap } = cpu; Atomics.add(heap, 1, 2)',
    'const { memory: { heap } } = cpu; Atomics.add(heap, 1, 2)',
    'const { [heap]: heap2 } = cpu; Atomics.add(heap2, 1, 2)',
    'const { heap = heap2 } = cpu; Atomics.add(heap, 1, 2)',
    // Something that changes.
    'let { heap } = cpu; Atomics.add(heap, 1, 2)',
    'var heap = cpu.heap; Atomics.add(heap, 1, 2)',
    'let c: Cpu = cpu; Atomics.add(c.heap, 1, 2)',
    'cpu = g(); Atomics.add(cpu.heap, 1, 2)',
    'const { heap } = cpu; cpu = g(); Atomics.add(heap, 1, 2)',
    '[cpu] = g(); Atomics.add(cpu.heap, 1, 2)',
    'for (cpu of g()) Atomics.add(cpu.heap, 1, 2)',
    // A name that means something else here.
    '{ const cpu = g(); Atomics.add(cpu.heap, 1, 2) }',
    '{ const heap = g(); { Atomics.add(heap, 1, 2) } }',
    'const { heap } = cpu; { const cpu = g(); Atomics.add(heap, 1, 2) }',
    'const { heap } = cpu; return (heap) => Atomics.add(heap, 1, 2)',
    'const { heap } = cpu; return function cpu() { Atomics.add(heap, 1, 2) }',
    'const { heap } = cpu; try { g() } catch (heap) { Atomics.add(heap, 1, 2) }',
    'const { heap } = cpu; return class heap { m() { Atomics.add(heap, 1, 2) } }',
    'const { heap } = cpu; { function heap() {} Atomics.add(heap, 1, 2) }',
    'const { heap } = cpu; { if (g()) { var cpu = g() } Atomics.add(heap, 1, 2) }',
    'return (cpu) => Atomics.add(cpu.heap, 1, 2)',
    'return ({ cpu }) => Atomics.add(cpu.heap, 1, 2)',
    'return (cpu?: Cpu) => Atomics.add(cpu.heap, 1, 2)',
    'return (cpu: Cpu | Other) => Atomics.add(cpu.heap, 1, 2)',
    'return (cpu: Other) => Atomics.add(cpu.heap, 1, 2)',
    'const Atomics = g(); Atomics.add(cpu.heap, 1, 2)',
    // An operation that has no instruction, or whose result the instruction does not have.
    'Atomics.wait(cpu.heap, 1, 2)',
    'Atomics.notify(cpu.heap, 1)',
    'return Atomics.isLockFree(4)',
    'return Atomics.store(cpu.heap, 1, 2)',
    'return () => Atomics.store(cpu.heap, 1, 2)',
    'g(Atomics.store(cpu.heap, 1, 2))',
    // Something else altogether.
    'Atomics.add(cpu.heap, 1)',
    'Atomics.add(cpu.heap, ...word)',
    'Atomics.add(cpu.heap, word, ...word)',
    'Atomics.add(...cpu.heap, 1, 2)',
    'Atomics.load(cpu.heap, 1, 2)',
    '/* Atomics.add */ Atomics?.add(cpu.heap, 1, 2)',
    'Atomics.add?.(cpu.heap, 1, 2)',
    `Atomics['add'](cpu.heap, 1, 2)`,
    'other.add(cpu.heap, 1, 2)',
    'other.Atomics.add(cpu.heap, 1, 2)',
    'const { add } = Atomics; add(cpu.heap, 1, 2)',
    '// Atomics.add(cpu.heap, 1, 2)\n',
    `return 'Atomics.add(cpu.heap, 1, 2)'`,
  ]
  for (const body of refused) assert.equal(inFunction(body), null, body)
})

describe('the bundled kernel', () => {
  let folder: string
  let code: string
  let bundled: Kernel

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'faultline-'))
    const output = join(folder, 'kernel.mjs')
    await bundleKernel(fileURLToPath(new URL('../src/kernel/index.ts', import.meta.url)), output)
    code = await readFile(output, 'utf8')
    bundled = await import(pathToFileURL(output).href)
  })
  after(() => rm(folder, { recursive: true }))

  test('has the instructions wherever the source names the heap of a CPU', () => {
    assert.doesNotMatch(
      code,
      /Atomics\.(load|add|sub|and|or|xor|exchange|compareExchange)\((?!this)\w+\.heap,/,
    )
    assert.match(code, /cpu\.lockedAdd\(cpu\.base,/)
    assert.match(code, /Atomics\.compareExchange\(cpu\.memory\.words,/)
  })

  for (const design of ['classic', 'lespinasse-2021']) {
    test(`leaves the same heap behind as the source, ${design}`, () => {
      const expected = runSequence(source, design)
      assert.deepEqual(runSequence(bundled, design), expected)
      assert.ok(expected.heap.length > 10_000 && expected.bytes.some((byte) => byte !== 0))
    })
  }

  test('works on a heap that is no WebAssembly memory', () => {
    const expected = runSequence(source, 'classic')
    assert.deepEqual(runSequence(bundled, 'classic', true), expected)
  })
})

/** Maps, faults, protects, moves and unmaps on a fresh machine with one CPU; gives all that is left of it. */
function runSequence(
  kernel: Kernel,
  design: string,
  plain = false,
): { bytes: number[]; counters: Record<string, number>; heap: Int32Array } {
  const { Header } = kernel
  const frameCount = 256
  const heapWords = kernel.minimumHeapWords(1, frameCount) + 2 ** 16
  const heapMemory = createHeapMemory(heapWords)
  const heap = new Int32Array(plain ? new SharedArrayBuffer(heapWords * 4) : heapMemory.buffer, 0, heapWords)
  kernel.bootKernel(heap, {
    cpuCount: 1,
    frameCount,
    heapWords,
    config: kernel.packKernelConfig(kernel.resolveKernelConfig({}).config),
    rwsemKind: kernel.RWSEM_XADD,
    design: kernel.designs.findIndex(({ description }) => description.name === design),
    rssBatched: true,
  })
  const memory = new kernel.PhysicalMemory(kernel.createPhysicalMemory(frameCount))
  const task = new kernel.Task(0, heap, memory, kernel.designs[heap[Header.design]!]!)
  if (!plain) Object.assign(task, lockedInstructions(heapMemory))
  kernel.kernelEnter(task)
  const mm = kernel.createMm(task, 65530, 2048)
  kernel.joinMm(task, mm)
  kernel.kernelExit(task)
  const bytes = callsOf(kernel, task, mm)
  return { bytes, counters: kernel.allVmEvents(task), heap: heap.slice(0, heap[Header.heapNext]) }
}

function callsOf(kernel: Kernel, task: source.Task, mm: number): number[] {
  const { VM_READ, VM_WRITE } = kernel
  const inside = (call: () => number): number => {
    kernel.kernelEnter(task)
    const result = call()
    kernel.kernelExit(task)
    assert.ok(result >= 0)
    return result
  }
  // A second user, so that faults of a design that speculates do.
  inside(() => Atomics.add(task.heap, mm + kernel.Mm.users, 1))
  const page = inside(() => kernel.mmap(task, mm, 0, 40, VM_READ | VM_WRITE, 0, 0, 0))
  for (let each = 0; each < 40; each++) kernel.storeUint8(task, mm, (page + each) * 4096 + each, each + 1)
  inside(() => kernel.mprotect(task, mm, page + 8, page + 16, VM_READ))
  assert.throws(() => kernel.storeUint8(task, mm, (page + 9) * 4096, 1), kernel.SegmentationFault)
  const moved = inside(() => kernel.mremap(task, mm, page + 20, 10, 30, kernel.MREMAP_MAYMOVE, 0))
  assert.notEqual(moved, page + 20)
  inside(() => kernel.madvise(task, mm, moved, moved + 2, kernel.MADV.dontneed))
  inside(() => kernel.munmap(task, mm, page, page + 4))
  const bytes = Array.from({ length: 30 }, (_, each) =>
    kernel.loadUint8(task, mm, (moved + each) * 4096 + ((each + 20) & 31)),
  )
  inside(() => (kernel.rcuBarrier(task), 0))
  return bytes
}

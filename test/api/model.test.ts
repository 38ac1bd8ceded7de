// Random sequences of calls and accesses by one thread, held against the reference model step by step; the thread forks
// its space, and goes from one of them to another.
//
// A failing run prints fast-check's seed and path and the shortest sequence that it found; FAULTLINE_RUNS sets how many
// sequences are tried, FAULTLINE_SEED where they begin.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ADDRESS_LIMIT, type DesignName, Machine, type MachineOptions } from '../../src/memory.ts'
import { PAGE_SIZE, ReferenceFile, ReferenceSpace } from '../reference/model.ts'
import {
  checkContents,
  checkLayout,
  generate,
  modelledAdvice,
  modelledProtections,
  type Operation,
  perform,
  type Shape,
  type World,
} from '../reference/operations.ts'
import { Random } from '../reference/random.ts'
import { extent } from '../extent.ts'
import { configurations, inUse } from './support.ts'

const ARENA_PAGES = 26
const SPARSE_PAGES = 14
const FLOATING = 10
const PAGES = ARENA_PAGES + SPARSE_PAGES + FLOATING
// Three pages below a boundary of page tables of every level.
const ARENA = 0x400_0000_0000 - 9 * PAGE_SIZE
const SPARSE = 0x500_0000_0000
const HEAP = 0x600_0000_0000
const FILE_BYTES = [6 * PAGE_SIZE, 9 * PAGE_SIZE - 100]
const FILE_PAGES = 11
/** Larger than what any stack here grows to, and less than the distance between the regions. */
const STACK_LIMIT = 64 * 1024 * 1024

/** A place in every part of the space: a dense arena, pages far apart, and what the kernel placed itself. */
function makeAddress(floating: number[]): (page: number) => number {
  return (page) => {
    if (page < ARENA_PAGES) return ARENA + page * PAGE_SIZE
    if (page < ARENA_PAGES + SPARSE_PAGES) return SPARSE + (page - ARENA_PAGES) * 90 * PAGE_SIZE
    const index = page - ARENA_PAGES - SPARSE_PAGES
    return floating.length === 0 ? ARENA + index * PAGE_SIZE : floating[index % floating.length]!
  }
}

const protection = fc.constantFrom(...modelledProtections)
const page = fc.nat(PAGES - 1)
const pages = fc.integer({ min: 1, max: 9 })
const short = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: PAGE_SIZE - 1 }))
const withinPage = fc.oneof(
  fc.nat(PAGE_SIZE - 1),
  fc.integer({ min: PAGE_SIZE - 8, max: PAGE_SIZE - 1 }),
  fc.constant(0),
)
const width = fc.constantFrom(1, 2, 4, 8)
const value = fc.nat(0xffffffff)
const rangeLength = fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: 3 * PAGE_SIZE }))
const fileRange = { at: fc.nat(5 * PAGE_SIZE), length: fc.integer({ min: 1, max: PAGE_SIZE }) }
const fileNumber = fc.nat(FILE_BYTES.length - 1)

/** What concerns the spaces as such: a copy of this one, working in another one, giving this one up. */
type FamilyOperation =
  | { readonly kind: 'fork'; readonly follow: boolean }
  | { readonly kind: 'switch'; readonly which: number }
  | { readonly kind: 'exit' }
type Step = Operation | FamilyOperation

/** As many spaces as there may be at a time. */
const SPACES = 4

const family: fc.Arbitrary<FamilyOperation> = fc.oneof(
  { weight: 3, arbitrary: fc.boolean().map((follow): FamilyOperation => ({ kind: 'fork', follow })) },
  { weight: 3, arbitrary: fc.nat(11).map((which): FamilyOperation => ({ kind: 'switch', which })) },
  { weight: 1, arbitrary: fc.constant<FamilyOperation>({ kind: 'exit' }) },
)

const operation = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant('mmap'),
      page,
      pages,
      protection: fc.oneof(fc.constant('rw'), protection),
      placement: fc.constantFrom('anywhere', 'hint', 'fixed', 'fixed', 'fixed', 'noreplace'),
      backing: fc.constantFrom(
        'anonymous',
        'anonymous',
        'anonymous',
        'shared-anonymous',
        'private-file',
        'shared-file',
      ),
      file: fileNumber,
      filePage: fc.nat(FILE_PAGES - 1),
      growsDown: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
      noReserve: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
      populate: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
      short,
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('munmap'), page, pages, short }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('mprotect'), page, pages, short, protection }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('madvise'),
      page,
      pages,
      short,
      advice: fc.constantFrom(...modelledAdvice),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('mremap'),
      page,
      oldPages: fc.nat(8),
      newPages: fc.integer({ min: 1, max: 9 }),
      to: page,
      mode: fc.constantFrom('in-place', 'may-move', 'fixed', 'dont-unmap'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('brk'),
      bytes: fc.integer({ min: -PAGE_SIZE, max: 10 * PAGE_SIZE }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('load'), page, at: withinPage, width }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('store'), page, at: withinPage, width, value }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('read'), page, at: withinPage, length: rangeLength }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('write'), page, at: withinPage, length: rangeLength, value }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fill'),
      page,
      at: withinPage,
      length: rangeLength,
      value: fc.nat(255),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('add'), page, word: fc.nat(1023), value }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('compare-exchange'),
      page,
      word: fc.nat(1023),
      hit: fc.boolean(),
      value,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('touch'),
      page,
      at: withinPage,
      access: fc.constantFrom('r', 'w', 'x'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('resident'), page, pages }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('file-write'), file: fileNumber, ...fileRange, value }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('file-read'), file: fileNumber, ...fileRange }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('misuse'),
      call: fc.constantFrom('mmap', 'munmap', 'mprotect', 'madvise', 'mremap'),
      page,
      wrong: fc.constantFrom('address', 'no-length', 'offset', 'beyond'),
    }),
  },
) as fc.Arbitrary<Operation>

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: operation },
  { weight: 1, arbitrary: family },
)

function makeWorld(machine: Machine): { world: World; close(): void } {
  const floating: number[] = []
  const space = machine.createAddressSpace({ stackLimit: STACK_LIMIT })
  const model = new ReferenceSpace({
    stackLimit: STACK_LIMIT,
    addressLimit: ADDRESS_LIMIT,
    executeOnly: machine.config.X86_INTEL_MEMORY_PROTECTION_KEYS,
    forbidsZeroPage: machine.config.MM_FORBIDS_ZEROPAGE,
  })
  const files = FILE_BYTES.map((size, index) => {
    const contents = Uint8Array.from(
      { length: size },
      (_, offset) => (offset * 11 + (offset >> 9) + index) & 0xff,
    )
    return {
      tested: machine.createFile({ size, contents }),
      model: new ReferenceFile(index + 1, size, false, contents),
    }
  })
  space.setBrk(HEAP)
  model.setBrk(HEAP)
  const world: World = {
    space,
    model,
    files,
    address: makeAddress(floating),
    placed(address, length) {
      for (let at = 0; at < Math.min(length, 4); at++) floating.push(address + at * PAGE_SIZE)
    },
    concurrent: false,
  }
  const close = () => {
    for (const file of files) file.tested.close()
  }
  return { world, close }
}

/** Performs a sequence in a space of its own; throws Divergence, after which the machine must not be used again. */
function runSequence(machine: Machine, operations: readonly Step[], sabotage?: (world: World) => void): void {
  const { world: first, close } = makeWorld(machine)
  sabotage?.(first)
  const worlds = [first]
  let world = first
  for (const [index, each] of operations.entries()) {
    if (each.kind === 'fork') {
      if (worlds.length === SPACES) continue
      const child = { ...world, space: world.space.fork(), model: world.model.fork() }
      worlds.push(child)
      if (each.follow) world = child
    } else if (each.kind === 'switch') {
      world = worlds[each.which % worlds.length]!
    } else if (each.kind === 'exit') {
      if (worlds.length === 1) continue
      checkContents(world)
      world.space.destroy()
      worlds.splice(worlds.indexOf(world), 1)
      world = worlds[0]!
    } else {
      perform(world, each)
    }
    // Also those in which nothing was done, in which nothing may have changed.
    for (const [number, other] of worlds.entries())
      checkLayout(other, `space ${number} after step ${index + 1}, ${JSON.stringify(each)}`)
  }
  for (const each of worlds) checkContents(each)
  for (const { tested, model } of first.files)
    assert.deepEqual(tested.read(0, model.size), model.read(0, model.size))
  for (const each of worlds) each.space.destroy()
  close()
}

/**
 * Room for all that sequences can map, in each of their spaces: without the zero page, to read it all takes a frame for
 * each page, those between the places of a stack that has grown included.
 */
const MEMORY_BYTES = 2 * SPACES * (ARENA_PAGES + SPARSE_PAGES * 90 + FLOATING) * PAGE_SIZE

/** Runs sequences on one machine for as long as nothing goes wrong on it, each of which must leave it as it was. */
function makeRunner(options: Partial<MachineOptions>): (operations: readonly Step[]) => void {
  let machine: Machine | null = null
  return (operations) => {
    const own = machine ?? Machine.create({ memory: MEMORY_BYTES, cpus: 1, ...options })
    machine = null
    const before = inUse(own)
    runSequence(own, operations)
    assert.deepEqual(inUse(own), before)
    machine = own
  }
}

const runs = Number(process.env['FAULTLINE_RUNS'] ?? extent(15, 150))
const seedText = process.env['FAULTLINE_SEED']

/** What else a machine can be configured to. */
const variants: { name: string; options: { design: DesignName } & Partial<MachineOptions> }[] = [
  ...configurations.map((options) => ({ name: `${options.design}, ${options.rwsem}`, options })),
  ...configurations
    .filter(({ rwsem }) => rwsem === 'xadd')
    .map((options) => ({
      name: `${options.design}, shared rss, poisoned objects, protection keys, no zero page`,
      options: {
        ...options,
        rss: 'shared' as const,
        config: { SLUB_DEBUG: true, X86_INTEL_MEMORY_PROTECTION_KEYS: true, MM_FORBIDS_ZEROPAGE: true },
      },
    })),
]

describe('random sequences agree with the reference model', () => {
  for (const { name, options } of variants) {
    test(name, () => {
      const run = makeRunner(options)
      fc.assert(fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), run), {
        numRuns: runs,
        ...(seedText === undefined ? {} : { seed: Number(seedText) }),
      })
    })
  }

  test('long sequences', () => {
    const seed = seedText === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seedText)
    const shape: Shape = {
      pages: PAGES,
      longest: 9,
      fit: (first, count) => ({ page: first, pages: count }),
      files: FILE_BYTES.length,
      fitFile: (random, _page, count) => ({ filePage: random.below(FILE_PAGES), pages: count }),
      fileBytes: 6 * PAGE_SIZE,
      placements: ['anywhere', 'hint', 'fixed', 'fixed', 'fixed', 'noreplace'],
      weights: {
        mmap: 12,
        munmap: 8,
        mprotect: 10,
        madvise: 8,
        mremap: 6,
        brk: 3,
        load: 8,
        store: 14,
        read: 3,
        write: 5,
        fill: 3,
        add: 3,
        'compare-exchange': 3,
        touch: 6,
        resident: 3,
        'file-write': 2,
        'file-read': 1,
        misuse: 2,
      },
      growsDown: true,
      freeMremap: true,
      advice: modelledAdvice,
    }
    for (const [index, options] of configurations.entries()) {
      const config = {
        X86_INTEL_MEMORY_PROTECTION_KEYS: index % 2 === 1,
        MM_FORBIDS_ZEROPAGE: index % 4 >= 2,
      }
      const run = makeRunner({ ...options, config })
      for (let repeat = 0; repeat < Math.max(1, runs / 50); repeat++) {
        const stream = index * 1000 + repeat
        const random = Random.derive(seed, stream)
        const operations = Array.from({ length: 400 }, (): Step => {
          if (!random.oneIn(15)) return generate(random, shape)
          const kind = random.pick(['fork', 'fork', 'switch', 'switch', 'switch', 'exit'] as const)
          if (kind === 'fork') return { kind, follow: random.oneIn(2) }
          return kind === 'switch' ? { kind, which: random.below(12) } : { kind }
        })
        try {
          run(operations)
        } catch (error) {
          throw new Error(`FAULTLINE_SEED=${seed}, stream ${stream}, ${options.design}, ${options.rwsem}`, {
            cause: error,
          })
        }
      }
    }
  })
})

describe('the comparison itself', () => {
  const map: Operation = {
    kind: 'mmap',
    page: 0,
    pages: 4,
    protection: 'rw',
    placement: 'fixed',
    backing: 'anonymous',
    file: 0,
    filePage: 0,
    growsDown: false,
    noReserve: false,
    populate: false,
    short: 0,
  }
  const store: Operation = { kind: 'store', page: 1, at: 8, width: 4, value: 77 }
  const load: Operation = { kind: 'load', page: 1, at: 8, width: 4 }
  const mistakes: [what: string, operations: Step[], sabotage: (world: World) => void, message: RegExp][] = [
    [
      'a store that one side loses',
      [map, store, load],
      ({ model }) => (model.writeScalar = (address) => void model.access(address, 'w')),
      /expected .*got/,
    ],
    [
      'a mapping that one side has not',
      [map],
      ({ model }) => (model.mmap = (_length, options) => options!.address!),
      /not mapped/,
    ],
    [
      'a protection that one side does not change',
      [map, { kind: 'mprotect', page: 1, pages: 1, short: 0, protection: 'r' }],
      ({ model }) => (model.mprotect = () => {}),
      /joins pages|protection should be/,
    ],
    [
      'an unmapping that one side does not do',
      [map, { kind: 'munmap', page: 1, pages: 1, short: 0 }],
      ({ model }) => (model.munmap = () => {}),
      /should be mapped/,
    ],
    [
      'pages that one side does not give up',
      [map, store, { kind: 'madvise', page: 1, pages: 1, short: 0, advice: 'dontneed' }],
      ({ model }) => (model.madvise = () => {}),
      /1 anonymous pages/,
    ],
  ]
  const forked: (typeof mistakes)[number][3] = /contents of the model|expected|anonymous pages/
  for (const [what, lost] of [
    ['what a child does not inherit', (child: ReferenceSpace) => child.pages.clear()],
    [
      'what a child shares that it should have for itself',
      (child: ReferenceSpace, parent: ReferenceSpace) => {
        for (const [number, inherited] of child.pages) inherited.contents = parent.pages.get(number)!.contents
      },
    ],
  ] as const) {
    mistakes.push([
      what,
      [
        map,
        store,
        { kind: 'fork', follow: true },
        { ...store, value: 5 },
        { kind: 'switch', which: 0 },
        load,
      ],
      ({ model }) => {
        const fork = model.fork.bind(model)
        model.fork = () => {
          const child = fork()
          lost(child, model)
          return child
        }
      },
      what.includes('shares') ? forked : /not mapped/,
    ])
  }
  for (const [what, operations, sabotage, message] of mistakes) {
    test(`notices ${what}`, () => {
      const machine = Machine.create({ memory: '16MiB', cpus: 1 })
      runSequence(machine, operations)
      assert.throws(() => runSequence(machine, operations, sabotage), { message })
      machine.detach()
    })
  }
})

// One thread of a stress run: takes rounds from the coordinator and performs its random steps, checking each at once.

import { parentPort, workerData } from 'node:worker_threads'
import {
  AddressSpace,
  BusError,
  Machine,
  MemoryError,
  MemoryFile,
  OutOfMemory,
  SegmentationFault,
} from '../../src/memory.ts'
import { PAGE_SIZE, ReferenceFile, ReferenceSpace, STACK_GUARD_GAP_PAGES } from '../reference/model.ts'
import {
  Divergence,
  generate,
  modelledAdvice,
  perform,
  type Shape,
  type World,
} from '../reference/operations.ts'
import { Random } from '../reference/random.ts'
import { Forker } from './fork-rounds.ts'
import {
  CONTROL_ARRIVED,
  CONTROL_GENERATION,
  CONTROL_STEPS,
  CONTROL_STOP,
  decodeTag,
  encodeTag,
  FILE_PAGES_EACH,
  FREE_FILE,
  FREE_FILE_FROM,
  FREE_HOT_FROM,
  FREE_HOT_TO,
  FREE_PAGES,
  FREE_SLOTS,
  FREE_WRITABLE_FROM,
  freeLayout,
  initialByte,
  initialContents,
  layoutFor,
  OWNED_PAGES,
  type OwnedState,
  type RoundMessage,
  STACK_REGION_PAGES,
  type StartMessage,
  WORDS_COUNTER,
  WORDS_FILE,
  WORDS_FILE_FROM,
  WORDS_FRONT,
  WORDS_PAGES,
  WORDS_RAISED,
  WORDS_STEPS,
  type WorkerMessage,
} from './rounds.ts'

const port = parentPort!
const thread = (workerData as { thread: number }).thread

let start: StartMessage
let machine: Machine
let step = 0
let outOfMemory = 0
let succeeded = 0
let failed = 0
/** The worlds of the last ownership round, for the next one in the same space. */
let worlds: { world: World; shape: Shape; reopen(): void }[] = []

port.on('message', (message: StartMessage | RoundMessage) => {
  if (message.type === 'start') {
    start = message
    machine = Machine.attach(message.machine)
    send({ type: 'ready', thread })
    return
  }
  try {
    runRound(message)
  } catch (error) {
    Atomics.store(start.control, CONTROL_STOP, 1)
    if (error instanceof Divergence) {
      send({
        type: 'divergence',
        thread,
        step,
        page: `0x${error.address.toString(16)}`,
        operation: typeof error.operation === 'string' ? error.operation : JSON.stringify(error.operation),
        expected: error.expected,
        got: error.got,
      })
    } else {
      send({ type: 'error', thread, step, stack: String((error as Error)?.stack ?? error) })
    }
  }
})

function send(message: WorkerMessage): void {
  port.postMessage(message)
}

function runRound(message: RoundMessage): void {
  step = 0
  outOfMemory = 0
  succeeded = 0
  failed = 0
  const random = Random.derive(start.seed, message.round * 64 + thread)
  const onOwnMachine = message.machine === null
  if (!onOwnMachine) machine = Machine.attach(message.machine!)
  const spaces = message.spaces.map((handle) => AddressSpace.attach(handle))
  const files = message.files.map((handle) => MemoryFile.attach(handle))
  const context = { message, random, spaces, files }
  barrier()
  if (message.kind === 'free') runFree(context)
  else if (message.kind === 'words') runWords(context)
  else if (message.kind === 'forks') runForks(context)
  else runOwned(context)
  const owned: OwnedState[] = message.kind === 'slabs' || message.kind === 'interleaved' ? ownedStates() : []
  if (!onOwnMachine) {
    machine.detach()
    machine = Machine.attach(start.machine)
  }
  send({ type: 'done', thread, outOfMemory, succeeded, failed, owned })
}

interface RoundContext {
  message: RoundMessage
  random: Random
  spaces: AddressSpace[]
  files: MemoryFile[]
}

/** Waits until every thread is here, so that all steps of a round overlap. */
function barrier(): void {
  const { control, threads } = start
  const generation = Atomics.load(control, CONTROL_GENERATION)
  if (Atomics.add(control, CONTROL_ARRIVED, 1) === threads - 1) {
    Atomics.store(control, CONTROL_ARRIVED, 0)
    Atomics.add(control, CONTROL_GENERATION, 1)
    Atomics.notify(control, CONTROL_GENERATION)
  } else {
    while (Atomics.load(control, CONTROL_GENERATION) === generation)
      Atomics.wait(control, CONTROL_GENERATION, generation)
  }
}

/** Marks the step for a report about a run that hangs; false when another thread has already found something. */
function nextStep(): boolean {
  step++
  Atomics.store(start.control, CONTROL_STEPS + thread, step)
  return Atomics.load(start.control, CONTROL_STOP) === 0
}

/** Gives this thread's CPU back and takes another. */
function reattach(context: RoundContext): void {
  machine.detach()
  machine = Machine.attach(context.message.machine ?? start.machine)
  context.spaces = context.message.spaces.map((handle) => AddressSpace.attach(handle))
  context.files = context.message.files.map((handle) => MemoryFile.attach(handle))
}

// ── rounds by ownership
// ────────────────────────────────────────────────────────────────────────────────────────────────

function runOwned(context: RoundContext): void {
  const { message, random } = context
  const open = () => {
    for (const entry of worlds) entry.reopen()
  }
  if (message.keep) {
    current = context
    open()
  } else {
    current = context
    worlds = message.kind === 'slabs' ? slabWorlds() : interleavedWorlds()
    worlds.push(stackWorld())
  }
  for (let count = 0; count < message.steps && nextStep(); count++) {
    if (message.reattach && random.oneIn(500)) {
      reattach(context)
      open()
    }
    // The stack is one step in five.
    const { world, shape } = random.oneIn(5) ? worlds.at(-1)! : worlds[0]!
    if (perform(world, generate(random, shape))) succeeded++
    else failed++
  }
}

let current: RoundContext

function ownedStates(): OwnedState[] {
  return worlds.map(({ world }) => ({
    pages: world.model.pages,
    files: new Map(world.files.map(({ model }) => [model.id, model.pages])),
  }))
}

const OWNED_WEIGHTS: Shape['weights'] = {
  mmap: 14,
  munmap: 6,
  mprotect: 12,
  madvise: 8,
  mremap: 4,
  load: 14,
  store: 18,
  read: 4,
  write: 6,
  fill: 3,
  add: 6,
  'compare-exchange': 4,
  touch: 6,
  resident: 3,
  'file-write': 1,
  'file-read': 1,
}

function makeWorld(
  address: (page: number) => number,
  files: number,
  brk = false,
): { world: World; reopen(): void } {
  const layout = layoutFor(start.threads)
  const world: World = {
    space: current.spaces[0]!,
    model: new ReferenceSpace(),
    files: layout.fileBytes.slice(0, files).map((size, index) => ({
      tested: current.files[index]!,
      model: new ReferenceFile(index + 1, size, false, initialContents(index, size)),
    })),
    address,
    concurrent: true,
  }
  if (brk) world.model.setBrk(layout.heap)
  const reopen = () => {
    world.space = current.spaces[0]!
    world.files.forEach((file, index) => (file.tested = current.files[index]!))
  }
  return { world, reopen }
}

function slabWorlds(): typeof worlds {
  const layout = layoutFor(start.threads)
  const base = layout.arena + thread * OWNED_PAGES * PAGE_SIZE
  const { world, reopen } = makeWorld((page) => base + page * PAGE_SIZE, 2, thread === 0)
  const shape: Shape = {
    pages: OWNED_PAGES,
    longest: 8,
    fit: (page, pages) => ({ page, pages: Math.min(pages, OWNED_PAGES - page) }),
    files: 2,
    fitFile: (from, _page, pages) => {
      const first = from.below(FILE_PAGES_EACH)
      return { filePage: thread * FILE_PAGES_EACH + first, pages: Math.min(pages, FILE_PAGES_EACH - first) }
    },
    fileBytes: layout.fileBytes[1]!,
    placements: ['fixed', 'fixed', 'fixed', 'noreplace'],
    weights: thread === 0 ? { ...OWNED_WEIGHTS, brk: 4 } : OWNED_WEIGHTS,
    growsDown: false,
    freeMremap: false,
    advice: modelledAdvice,
  }
  return [{ world, shape, reopen }]
}

function interleavedWorlds(): typeof worlds {
  const layout = layoutFor(start.threads)
  const number = (page: number) => page * start.threads + thread
  const { world, reopen } = makeWorld((page) => layout.arena + number(page) * PAGE_SIZE, 1, thread === 0)
  const shape: Shape = {
    pages: OWNED_PAGES,
    longest: 1,
    fit: (page) => ({ page, pages: 1 }),
    files: 1,
    // The page of the file is the page of the arena, so that mappings of different threads merge.
    fitFile: (_random, page) => ({ filePage: number(page), pages: 1 }),
    fileBytes: layout.fileBytes[0]!,
    placements: ['fixed', 'fixed', 'fixed', 'noreplace'],
    weights: thread === 0 ? { ...OWNED_WEIGHTS, brk: 4 } : OWNED_WEIGHTS,
    growsDown: false,
    freeMremap: false,
    advice: modelledAdvice,
  }
  return [{ world, shape, reopen }]
}

/**
 * Mappings that grow down, and ordinary ones below that stop them, spread thinly over a region of this thread's own.
 */
function stackWorld(): (typeof worlds)[number] {
  const layout = layoutFor(start.threads)
  const top = layout.stacks + (thread + 1) * layout.stackStride - PAGE_SIZE
  const spread = Math.floor(STACK_REGION_PAGES / 20)
  const { world, reopen } = makeWorld((page) => top - (page + 1) * spread * PAGE_SIZE, 0)
  if (layout.stackStride / PAGE_SIZE - 21 * spread < STACK_GUARD_GAP_PAGES)
    throw new Error('stack regions too close')
  const shape: Shape = {
    pages: 20,
    longest: 4,
    fit: (page, pages) => ({ page, pages }),
    files: 0,
    fitFile: () => ({ filePage: 0, pages: 1 }),
    fileBytes: 0,
    placements: ['fixed'],
    weights: { mmap: 4, munmap: 2, mprotect: 3, madvise: 2, load: 10, store: 20, write: 3, touch: 6 },
    growsDown: true,
    freeMremap: false,
    advice: modelledAdvice,
  }
  return { world, shape, reopen }
}

// ── free rounds
// ────────────────────────────────────────────────────────────────────────────────────────────────────────

function runFree(context: RoundContext): void {
  const { message, random } = context
  const layout = layoutFor(start.threads)
  const threads = start.threads
  const words = freeLayout(threads)
  const { shared } = message
  const floors = new Int32Array(threads)
  const completed = new Int32Array(threads)
  let sequence = Atomics.load(shared, words.issued + thread)

  const address = (page: number) => layout.arena + page * PAGE_SIZE
  const divergence = (operation: string, page: number, expected: string, got: string) =>
    new Divergence(`free round: ${operation}`, address(page), expected, got)

  /** Performs a call that may fail as the given errnos, or for lack of memory where that is scarce. */
  const call = (operation: string, page: number, errnos: readonly string[], body: () => void): boolean => {
    try {
      body()
      succeeded++
      return true
    } catch (error) {
      if (error instanceof OutOfMemory || (error instanceof MemoryError && error.errno === 'ENOMEM')) {
        if (message.pressure) {
          outOfMemory++
          return false
        }
      }
      if (error instanceof MemoryError && errnos.includes(error.errno)) {
        failed++
        return false
      }
      throw error instanceof MemoryError
        ? divergence(operation, page, `success or ${errnos.join(', ')}`, error.errno)
        : error
    }
  }

  /** Performs an access, and holds a fault against what is possible for the page. */
  const access = (operation: string, page: number, kind: 'r' | 'w', body: () => void): boolean => {
    try {
      body()
      succeeded++
      return true
    } catch (error) {
      if (error instanceof OutOfMemory && message.pressure) {
        outOfMemory++
        return false
      }
      if (!(error instanceof SegmentationFault)) {
        if (error instanceof BusError)
          throw divergence(operation, page, 'no bus error within the file', 'BusError')
        throw error
      }
      failed++
      if (Math.floor(error.address / PAGE_SIZE) !== address(page) / PAGE_SIZE) {
        throw divergence(
          operation,
          page,
          'a fault in this page',
          `a fault at 0x${error.address.toString(16)}`,
        )
      }
      if (message.pressure) return false
      if (page >= FREE_FILE_FROM && (error.code === 'SEGV_MAPERR' || kind === 'r')) {
        throw divergence(operation, page, 'a mapping that is always there and readable', error.code)
      }
      if (page >= FREE_WRITABLE_FROM && page < FREE_FILE_FROM && error.code === 'SEGV_ACCERR') {
        throw divergence(operation, page, 'a mapping that is always writable', error.code)
      }
      return false
    }
  }

  const { hot } = message
  const accessed = () =>
    hot ? FREE_HOT_FROM + random.below(FREE_HOT_TO - FREE_HOT_FROM) : random.below(FREE_PAGES)
  const range = (least: number, most: number) => {
    const from = hot ? Math.max(least, FREE_HOT_FROM) : least
    const to = hot ? Math.min(most, FREE_HOT_TO) : most
    const page = from + random.below(to - from)
    return { page, pages: 1 + random.below(Math.min(8, to - page)) }
  }
  const weights = hot
    ? { load: 20, store: 40, map: 12, unmap: 8, protect: 6, clear: 14 }
    : { load: 34, store: 34, map: 10, unmap: 5, protect: 7, clear: 5, advise: 2, file: 3, elsewhere: 2 }

  /** What may no longer be read from the pages once `body` has returned: all that had been stored before it began. */
  const clearing = (space: number, page: number, pages: number, body: () => boolean) => {
    for (let other = 0; other < threads; other++)
      completed[other] = Atomics.load(shared, words.completed + other)
    if (!body()) return
    for (let at = page; at < page + pages; at++) {
      for (let other = 0; other < threads; other++)
        raise(shared, words.floor(space, at) + other, completed[other]!)
    }
  }

  for (let count = 0; count < message.steps && nextStep(); count++) {
    if (message.reattach && random.oneIn(400)) reattach(context)
    const which = hot ? 0 : random.below(context.spaces.length)
    const space = context.spaces[which]!
    const file = context.files[FREE_FILE]!
    const kind = random.weighted<
      'load' | 'store' | 'map' | 'unmap' | 'protect' | 'clear' | 'advise' | 'file' | 'elsewhere'
    >(weights)
    switch (kind) {
      case 'load': {
        const page = accessed()
        const slot = random.below(FREE_SLOTS)
        const inFile = page >= FREE_FILE_FROM
        const floorAt = words.floor(which, page)
        for (let other = 0; other < threads; other++) floors[other] = Atomics.load(shared, floorAt + other)
        let word = 0
        if (
          !access(`load slot ${slot}`, page, 'r', () => (word = space.readUint32(address(page) + slot * 512)))
        )
          break
        if (word === 0) break
        const tag = decodeTag(word)
        const right =
          tag.thread < threads &&
          tag.page === page &&
          tag.slot === slot &&
          (inFile || tag.space === which) &&
          tag.sequence <= Atomics.load(shared, words.issued + tag.thread)
        if (!right)
          throw divergence(
            `load slot ${slot} of space ${which}`,
            page,
            'zero or a word stored there',
            JSON.stringify(tag),
          )
        if (!inFile && tag.sequence <= floors[tag.thread]!) {
          throw divergence(
            `load slot ${slot} of space ${which}`,
            page,
            `nothing that thread ${tag.thread} stored up to its number ${floors[tag.thread]!}, since the page was cleared`,
            `its number ${tag.sequence}`,
          )
        }
        break
      }
      case 'store': {
        const page = accessed()
        const slot = random.below(FREE_SLOTS)
        sequence++
        Atomics.store(shared, words.issued + thread, sequence)
        const word = encodeTag({ thread, space: which, page, slot, sequence })
        access(`store slot ${slot}`, page, 'w', () => space.writeUint32(address(page) + slot * 512, word))
        Atomics.store(shared, words.completed + thread, sequence)
        break
      }
      case 'map': {
        const protectable = random.oneIn(2)
        const { page, pages } = protectable
          ? range(0, FREE_WRITABLE_FROM)
          : range(FREE_WRITABLE_FROM, FREE_FILE_FROM)
        const protection = protectable ? random.pick(['rw', 'rw', 'rw', 'r', 'none'] as const) : 'rw'
        const fixed = random.oneIn(4) ? ('noreplace' as const) : true
        const populate = random.oneIn(8)
        clearing(which, page, pages, () =>
          call('mmap', page, fixed === true ? [] : ['EEXIST'], () =>
            space.mmap(pages * PAGE_SIZE, { address: address(page), fixed, protection, populate }),
          ),
        )
        break
      }
      case 'unmap': {
        const { page, pages } = range(0, FREE_FILE_FROM)
        clearing(which, page, pages, () =>
          call('munmap', page, [], () => space.munmap(address(page), pages * PAGE_SIZE)),
        )
        break
      }
      case 'protect': {
        const { page, pages } = range(0, FREE_WRITABLE_FROM)
        const protection = random.pick(['rw', 'rw', 'r', 'none'] as const)
        call('mprotect', page, ['ENOMEM'], () => space.mprotect(address(page), pages * PAGE_SIZE, protection))
        break
      }
      case 'clear': {
        const { page, pages } = range(0, FREE_FILE_FROM)
        clearing(which, page, pages, () => {
          // ENOMEM says that some of it was not mapped. That need not mean cleared: another thread's munmap takes the
          // mappings out first and the pages later, and only its own return says that they are gone.
          return call('madvise', page, ['ENOMEM'], () =>
            space.madvise(address(page), pages * PAGE_SIZE, 'dontneed'),
          )
        })
        break
      }
      case 'advise': {
        const { page, pages } = range(0, FREE_PAGES)
        const advice = random.pick([
          'random',
          'sequential',
          'normal',
          'dontfork',
          'dofork',
          'willneed',
        ] as const)
        call('madvise', page, ['ENOMEM'], () => space.madvise(address(page), pages * PAGE_SIZE, advice))
        break
      }
      case 'file': {
        // Only ever replaced by another mapping of the same pages: private ones show what shared ones wrote before.
        if (message.pressure) break
        const { page, pages } = range(FREE_FILE_FROM, FREE_PAGES)
        call('mmap of the file', page, [], () =>
          space.mmap(pages * PAGE_SIZE, {
            address: address(page),
            fixed: true,
            protection: random.pick(['rw', 'r'] as const),
            shared: random.oneIn(2),
            file,
            offset: page * PAGE_SIZE,
          }),
        )
        break
      }
      case 'elsewhere': {
        let own = 0
        const pages = 1 + random.below(6)
        // High above the arena, so that no hole of it is taken.
        const made = call('mmap elsewhere', 0, [], () => {
          own = space.mmap(pages * PAGE_SIZE, {
            address: layout.heap + thread * 0x1000_0000 + random.below(64) * PAGE_SIZE,
          })
        })
        if (!made) break
        for (let page = 0; page < pages; page++) {
          try {
            if (space.readUint32(own + page * PAGE_SIZE) !== 0) {
              throw divergence(
                'first load of new memory',
                page,
                '0',
                String(space.readUint32(own + page * PAGE_SIZE)),
              )
            }
            space.writeUint32(own + page * PAGE_SIZE, thread + 1)
            const back = space.readUint32(own + page * PAGE_SIZE)
            if (back !== thread + 1) throw divergence('own memory', page, String(thread + 1), String(back))
          } catch (error) {
            if (!(error instanceof OutOfMemory && message.pressure)) throw error
            outOfMemory++
          }
        }
        call('munmap elsewhere', 0, [], () => space.munmap(own, pages * PAGE_SIZE))
        break
      }
    }
  }
}

/** Makes a shared word at least `value`. */
function raise(words: Int32Array, at: number, value: number): void {
  let seen = Atomics.load(words, at)
  while (seen < value) {
    const found = Atomics.compareExchange(words, at, seen, value)
    if (found === seen) return
    seen = found
  }
}

// ── words rounds
// ───────────────────────────────────────────────────────────────────────────────────────────────────────

function runWords(context: RoundContext): void {
  const { message, random } = context
  const layout = layoutFor(start.threads)
  const { shared, stride } = message
  const stepsPerPage = 12
  const held = new Map<number, number>()
  const order = shuffled(Random.derive(start.seed, message.round), WORDS_PAGES)
  const address = (page: number) => layout.arena + page * stride * PAGE_SIZE
  const ownWord = (page: number, which: number) => address(page) + (thread * 2 + which) * 4
  const scratch = layout.heap + thread * 0x100_0000
  const initial = (page: number, word: number) => {
    if (page < WORDS_FILE_FROM) return 0
    const at = page * PAGE_SIZE + word * 4
    let value = 0
    for (let byte = 3; byte >= 0; byte--) value = value * 256 + initialByte(WORDS_FILE, at + byte)
    return value
  }
  const check = (page: number, which: number, operation: string, got: number) => {
    const word = thread * 2 + which
    const expected = held.get(page * 64 + word) ?? initial(page, word)
    if (got !== expected) {
      throw new Divergence(
        `words round: ${operation} own word ${word} of page ${page}`,
        ownWord(page, which),
        String(expected),
        String(got),
      )
    }
  }
  /** False where the access met a protection, or a page that somebody has moved away for a moment. */
  const access = (body: () => void): boolean => {
    try {
      body()
      succeeded++
      return true
    } catch (error) {
      if (!(error instanceof SegmentationFault)) throw error
      failed++
      return false
    }
  }
  const call = (body: () => void): boolean => {
    try {
      body()
      succeeded++
      return true
    } catch (error) {
      if (!(error instanceof MemoryError) || error instanceof OutOfMemory) throw error
      failed++
      return false
    }
  }

  for (let count = 0; count < message.steps && nextStep(); count++) {
    if (message.reattach && random.oneIn(400)) reattach(context)
    const space = context.spaces[0]!
    // All threads work near the same page, so that first accesses to it collide.
    const front = Atomics.load(shared, WORDS_FRONT)
    if (
      Atomics.add(shared, WORDS_STEPS, 1) % (stepsPerPage * start.threads) ===
      stepsPerPage * start.threads - 1
    ) {
      Atomics.compareExchange(shared, WORDS_FRONT, front, front + 1)
    }
    const page = order[(front + WORDS_PAGES - random.below(random.oneIn(4) ? 12 : 2)) % WORDS_PAGES]!
    const which = random.below(2)
    const kind = random.weighted({
      store: 30,
      load: 22,
      add: 8,
      raise: 12,
      exchange: 6,
      unaligned: 4,
      protect: 9,
      advise: 4,
      move: 3,
      touch: 4,
    })
    switch (kind) {
      case 'store': {
        const value = random.next()
        if (access(() => space.writeUint32(ownWord(page, which), value)))
          held.set(page * 64 + thread * 2 + which, value)
        break
      }
      case 'unaligned': {
        // The upper half of the first own word and the lower half of the second, in one store.
        const value = random.next()
        if (!access(() => space.writeUint32(ownWord(page, 0) + 2, value))) break
        const low = held.get(page * 64 + thread * 2) ?? initial(page, thread * 2)
        const high = held.get(page * 64 + thread * 2 + 1) ?? initial(page, thread * 2 + 1)
        held.set(page * 64 + thread * 2, ((low & 0xffff) | (value << 16)) >>> 0)
        held.set(page * 64 + thread * 2 + 1, ((high & 0xffff0000) | (value >>> 16)) >>> 0)
        break
      }
      case 'load': {
        let got = 0
        if (access(() => (got = space.readUint32(ownWord(page, which))))) check(page, which, 'load', got)
        break
      }
      case 'add': {
        let before = 0
        const value = random.next()
        if (!access(() => (before = space.addUint32(ownWord(page, which), value)))) break
        check(page, which, 'add', before)
        held.set(page * 64 + thread * 2 + which, (before + value) >>> 0)
        break
      }
      case 'exchange': {
        const expected = held.get(page * 64 + thread * 2 + which) ?? initial(page, thread * 2 + which)
        const value = random.next()
        let got = 0
        if (!access(() => (got = space.compareExchangeUint32(ownWord(page, which), expected, value)))) break
        check(page, which, 'compare-exchange', got)
        held.set(page * 64 + thread * 2 + which, value)
        break
      }
      case 'raise':
        if (access(() => space.addUint32(address(page) + WORDS_COUNTER * 4, 1)))
          Atomics.add(shared, WORDS_RAISED + page, 1)
        break
      case 'touch':
        access(() => void space.touch(address(page), random.pick(['r', 'w'] as const)))
        break
      case 'protect': {
        const pages = stride === 1 ? 1 + random.below(Math.min(6, WORDS_PAGES - page)) : 1
        const protection = random.pick(['rw', 'rw', 'rw', 'r', 'none'] as const)
        call(() => space.mprotect(address(page), pages * PAGE_SIZE, protection))
        break
      }
      case 'advise': {
        const pages = stride === 1 ? 1 + random.below(Math.min(6, WORDS_PAGES - page)) : 1
        const advice = random.pick([
          'random',
          'sequential',
          'normal',
          'dontfork',
          'dofork',
          'willneed',
          'cold',
        ] as const)
        call(() => space.madvise(address(page), pages * PAGE_SIZE, advice))
        break
      }
      case 'move': {
        const moved = call(() =>
          space.mremap(address(page), PAGE_SIZE, PAGE_SIZE, { mayMove: true, fixed: scratch }),
        )
        // Nobody else knows of the page now, so that bringing it back cannot fail.
        if (moved) space.mremap(scratch, PAGE_SIZE, PAGE_SIZE, { mayMove: true, fixed: address(page) })
        break
      }
    }
  }
  // Every own word once more, wherever the protection allows.
  const space = context.spaces[0]!
  for (let page = 0; page < WORDS_PAGES && Atomics.load(start.control, CONTROL_STOP) === 0; page++) {
    for (const which of [0, 1]) {
      let got = 0
      if (access(() => (got = space.readUint32(ownWord(page, which))))) check(page, which, 'last load', got)
    }
  }
}

// ── forks rounds
// ───────────────────────────────────────────────────────────────────────────────────────────────────────

function runForks(context: RoundContext): void {
  const { message, random } = context
  const { threads, seed } = start
  const layout = layoutFor(threads)
  const forker = new Forker({
    thread,
    threads,
    arena: layout.arena,
    scratch: layout.heap + thread * 0x100_0000,
    seed: seed ^ message.round,
    shared: message.shared,
    random,
    space: () => context.spaces[0]!,
  })
  for (let count = 0; count < message.steps && nextStep(); count++, succeeded++) forker.step()
  if (Atomics.load(start.control, CONTROL_STOP) === 0) forker.end()
  outOfMemory += forker.outOfMemory
}

function shuffled(random: Random, count: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let at = count - 1; at > 0; at--) {
    const other = random.below(at + 1)
    const held = order[at]!
    order[at] = order[other]!
    order[other] = held
  }
  return order
}

// Executions that begin at a saved state, held against the same ones run from the beginning.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  CannotSave,
  READY,
  SPINNING,
  SavedFields,
  TRACKED,
  Thread,
  type Watched,
  memory,
  rememberFields,
} from '../../src/backends/stepped/index.ts'
import { readProgram } from '../../src/backends/stepped/program.ts'
import { type Node, childrenOf } from '../../src/backends/stepped/syntax.ts'
import { Checkpoints, type Saver } from '../../src/check/checkpoints.ts'
import { makeExplorer } from '../../src/check/explore.ts'
import { type Subject, runOnce, withoutStacks } from '../../src/check/run-once.ts'
import type { Explorer } from '../../src/check/explorer.ts'
import { scenarioNames } from '../../src/check/index.ts'
import { type KernelChoice, prepare } from '../../src/check/prepare.ts'
import { StepLog } from '../../src/check/step-log.ts'
import { tables } from '../../src/check/scenarios/index.ts'
import { extent } from '../extent.ts'

const limits = { maxExecutions: Infinity, maxSteps: 20_000, maxMs: Infinity }

/** All that an execution has left: memory, what the subject keeps besides, how the threads stand, and what depends. */
function stateOf(saver: Saver, explorer: Explorer): unknown {
  const saved = saver.save(explorer.threads, null) as { fields: SavedFields; detectors: unknown }
  const { values } = saved.fields
  return {
    status: explorer.status,
    schedule: [...explorer.schedule.subarray(0, explorer.depth)].join(''),
    order: explorer.orderDigest(),
    memory: memory.digest(),
    fields: values.map((value) => (typeof value === 'object' ? '' : value)),
    detectors: saved.detectors,
    threads: explorer.threads.map((thread) => {
      const { state, kind, site, rescues, timeouts, reads, depth, isIdle, isStale, frames } = thread
      const places = frames.slice(0, depth).map(([, at]) => at)
      const seen = [...thread.readValues.subarray(0, reads)]
      return { state, kind, site, rescues, timeouts, seen, places, isIdle, isStale }
    }),
  }
}

/** The states at the end of the first executions, and how many of these began at a saved state. */
function explored(
  subject: Subject,
  saver: Saver,
  count: number,
  saves: boolean,
): { states: unknown[]; resumed: number } {
  const explorer = makeExplorer(subject, limits)
  if (!saves) explorer.checkpoints = null
  const states: unknown[] = []
  let resumed = 0
  withoutStacks(() => {
    do {
      let state: unknown = null
      const from = explorer.checkpoints?.eventBefore(explorer.firstNew) ?? 0
      if (from > 0) resumed++
      // Whoever is noted is asked at each step.
      explorer.log = saves ? null : new StepLog()
      const failure = runOnce(subject, explorer, () => (state = stateOf(saver, explorer)))
      states.push(failure ?? state ?? stateOf(saver, explorer))
      if (failure !== null) break
    } while (states.length < count && explorer.advance())
  })
  assert.equal(explorer.checkpoints?.refusal ?? null, null)
  explorer.retire()
  return { states, resumed }
}

describe('executions that begin at a saved state', () => {
  const designs = ['lespinasse-2021', 'per-vma-lock-2023', 'leaf-slots', 'classic']
  const rwsems = ['xadd', 'generic', 'spinning', 'writer-spinning', 'reader-spinning'] as const
  for (const [index, name] of scenarioNames.entries()) {
    if (index % extent(20, 1) !== 0) continue
    const turn = index / extent(20, 1)
    const choice: KernelChoice = { design: designs[turn % 4]!, rwsem: rwsems[turn % 4]! }
    it(`end as when they are run from the beginning: ${name}, ${choice.design}, ${choice.rwsem}`, async () => {
      const { subject } = await prepare({ scenario: name, choice, patches: [] }, false)
      const saver = subject.saver!
      const count = extent(40, 400)
      const again = explored(subject, saver, count, false)
      const saved = explored(subject, saver, count, true)
      assert.deepEqual(saved.states, again.states)
      assert.equal(again.resumed, 0)
      // Who has no states takes longer, and nobody would notice.
      if (again.states.length === count) assert.ok(saved.resumed > 0, 'none began at a saved state')
    })
  }
})

describe('an exploration from saved states', () => {
  it('takes no loop that a thread has just entered for one in which it waits', async () => {
    // In the saved state, a thread is in the first look of `lockTable` at its lock; it has spun there since.
    const choice = { design: 'zijlstra-2014', rwsem: 'xadd' } as const
    const { subject } = await prepare({ scenario: 'mremap-source', choice, patches: [] }, false)
    const executionsOf = (saves: boolean): number => {
      const explorer = makeExplorer(subject, limits)
      if (!saves) explorer.checkpoints = null
      withoutStacks(() => {
        do assert.equal(runOnce(subject, explorer), null)
        while (explorer.advance())
      })
      explorer.retire()
      return explorer.executions
    }
    assert.equal(executionsOf(true), executionsOf(false))
  })
})

describe('what is saved', () => {
  it('is all that there is of a thread', () => {
    const thread = new Thread(0) as unknown as Record<string, unknown>
    const array = new Int32Array(4)
    for (const [key, value] of Object.entries(thread)) {
      if (typeof value === 'number') thread[key] = 3
      else if (typeof value === 'boolean') thread[key] = !value
      else if (value === null) thread[key] = {}
    }
    Object.assign(thread, { id: 0, array, told: 'told', waitResult: 'timed-out' })
    const original = thread as unknown as Thread
    original.frames.push([() => 0, 1, 'a'], [() => 0, 2, 'b'], [() => 0, 3, 'c'])
    original.toTell.push({ waitCell: 1, array, index: 0, signal: array, promise: null })
    for (let at = 0; at < 3; at++) {
      original.readArrays[at] = array
      original.readIndices[at] = at
      original.readCells[at] = at + 1
      original.readValues[at] = at === 1 ? Number.NaN : at
    }
    original.readBigInts.push(0n, 7n)
    Object.assign(original.turnsOf(5), { epoch: 1, before: 2, from: 3, changes: 4, looks: 5, values: [6] })
    original.turnsOf(5, 1).epoch = 2
    const copy = new Thread(0)
    copy.copyFrom(original)
    assert.deepEqual(copy, original)
    original.turnsOf(5, 1).epoch = 8
    original.turnsOf(5).epoch = 9
    assert.deepEqual([copy.turnsOf(5, 1).epoch, copy.turnsOf(5).epoch], [2, 1])
  })

  it('is nothing of a loop in which a thread has yet to take a first turn, though it has taken some since', () => {
    const thread = new Thread(0)
    const kept = new Thread(0)
    kept.copyFrom(thread)
    Object.assign(thread.turnsOf(5), { epoch: 0, before: 0, from: 1, changes: 0, looks: 1, rescues: 0 })
    thread.copyFrom(kept)
    const { epoch, changes } = thread.turnsOf(5)
    assert.deepEqual([epoch, changes], [-1, -1])
  })

  it('is nothing of when it entered the loop several times since then: these numbers are given once more', () => {
    const thread = new Thread(0)
    const kept = new Thread(0)
    kept.copyFrom(thread)
    for (const entry of [1, 2, 3]) Object.assign(thread.turnsOf(5, entry), { epoch: 0, changes: 0 })
    thread.copyFrom(kept)
    for (const entry of [1, 2, 3]) {
      const { epoch, changes } = thread.turnsOf(5, entry)
      assert.deepEqual([epoch, changes], [-1, -1])
    }
    assert.deepEqual([thread.turnsOf(5, 2).entry, thread.turnsOf(5, 1).entry], [2, 1])
  })

  it('is kept anew of a thread that has run, or whose wait somebody else has ended', () => {
    memory.clear()
    const threads = [new Thread(0), new Thread(1), new Thread(2)]
    const points = new Checkpoints(threads, { save: () => null, restore: () => {} })
    const wokenBy = new Int32Array(3)
    const frame = (at: number): Thread['frames'][number] => [() => 0, at]
    const standsAt = (): unknown[] =>
      threads.map(({ state, frames, depth }) => [state, frames[depth - 1]?.[1]])
    for (const thread of threads) thread.frames[thread.depth++] = frame(thread.id)
    threads[1]!.state = SPINNING
    points.save(1, 0, wokenBy)
    const first = standsAt()
    threads[0]!.frames[0] = frame(7)
    threads[0]!.hasRun = true
    threads[1]!.state = READY
    points.save(2, 0, wokenBy)
    const second = standsAt()
    assert.notDeepEqual(second, first)
    for (const thread of threads) {
      thread.depth = 0
      thread.hasRun = true
    }
    points.goBack(2)
    assert.deepEqual(standsAt(), second)
    points.goBack(1)
    assert.deepEqual(standsAt(), first)
    // Now the second state is made anew, and has nothing of what it was before.
    points.save(2, 0, wokenBy)
    threads[1]!.state = READY
    points.goBack(2)
    assert.deepEqual(standsAt(), first)
  })

  it('is memory, whose digest says what it is and not how it has become that', () => {
    memory.clear()
    const words: Watched = memory.add(new Int32Array(new SharedArrayBuffer(256)), true)
    const set = (index: number, value: number): void => {
      words[TRACKED]!.touch(index)
      words[index] = value
    }
    memory.takeSnapshot()
    const begun = memory.digest()
    set(3, 5)
    set(40, 6)
    const direct = memory.digest()
    assert.notEqual(direct, begun)
    memory.restore()
    assert.equal(memory.digest(), begun)
    set(40, 9)
    const mark = memory.mark()
    const marked = memory.digest()
    set(3, 5)
    set(40, 6)
    assert.equal(memory.digest(), direct)
    memory.mark()
    set(3, 0)
    set(40, 0)
    assert.equal(memory.digest(), begun)
    memory.goBack(mark)
    assert.equal(memory.digest(), marked)
    memory.restore()
    assert.equal(memory.digest(), begun)
  })

  const saveIn = (root: object, threads: Thread[] = []) => {
    memory.clear()
    const fields = rememberFields([root])
    const saved = new SavedFields()
    return { saved, save: () => fields.save(saved, threads, []), goBack: () => fields.goBack(saved) }
  }

  it('is what objects hold that were made since, in the same objects, and lists of any length', () => {
    const root = { made: null as { count: number; inner: number[] } | null, list: [1] }
    const { save, goBack } = saveIn(root)
    const made = { count: 1, inner: [1, 2] }
    root.made = made
    root.list.push(2, 3)
    save()
    made.count = 2
    made.inner.length = 0
    root.list.length = 0
    root.made = { count: 5, inner: [] }
    goBack()
    assert.equal(root.made, made)
    assert.deepEqual(root, { made: { count: 1, inner: [1, 2] }, list: [1, 2, 3] })
  })

  it('is what a frame leads to', () => {
    const thread = new Thread(0)
    const local = { words: new Int32Array(2), next: { value: 1 } }
    thread.frames.push([() => 0, 0, 5, local])
    thread.depth = 1
    const { save, goBack } = saveIn({}, [thread])
    save()
    local.words[1] = 7
    local.next.value = 2
    goBack()
    assert.deepEqual(local, { words: new Int32Array(2), next: { value: 1 } })
  })

  it('is refused where an object keeps something to itself', () => {
    const root = { made: null as unknown }
    const { save } = saveIn(root)
    for (const made of [
      new Map(),
      new Set(),
      new Date(0),
      Promise.resolve(),
      [new WeakMap()],
      (function* () {})(),
    ]) {
      root.made = made
      assert.throws(save, CannotSave)
    }
  })
})

describe('what cannot be seen from outside', () => {
  it('no thread of a kernel scenario changes: the variables of a module, and private fields', async () => {
    const entries = tables.map(
      (table) => new URL(`../../src/check/scenarios/${table}.ts`, import.meta.url).href,
    )
    const { modules } = await readProgram(entries)
    const changed: string[] = []
    for (const [url, { program, scopes }] of modules) {
      const own = new Set([...scopes.topLevel.values()].filter(({ kind }) => kind === 'variable'))
      const visit = (node: Node, within: 'module' | 'function' | 'setup'): void => {
        const target =
          node.type === 'AssignmentExpression'
            ? node.left
            : node.type === 'UpdateExpression'
              ? node.argument
              : null
        const isVariable = target?.type === 'Identifier' && own.has(scopes.bindings.get(target)!)
        const isPrivate = target?.type === 'MemberExpression' && target.property.type === 'PrivateIdentifier'
        if (within === 'function' && (isVariable || isPrivate)) changed.push(`${url}: ${node.start}`)
        const isSetup =
          node.type === 'Property' && node.key.type === 'Identifier' && node.key.name === 'setup'
        const isConstructor = node.type === 'MethodDefinition' && node.kind === 'constructor'
        const isFunction = /Function/.test(node.type)
        const inner =
          isSetup || isConstructor ? 'setup' : isFunction && within === 'module' ? 'function' : within
        for (const child of childrenOf(node)) visit(child, inner)
      }
      visit(program as Node, 'module')
    }
    assert.deepEqual(changed, [])
  })
})

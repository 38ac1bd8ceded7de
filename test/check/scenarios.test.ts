// The shipped kernel scenarios. What has too many interleavings for a test is explored for a while.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadStepped } from '../../src/backends/stepped/index.ts'
import { checkKernelScenario, scenarioNames } from '../../src/check/index.ts'
import { FailsInOrder, sequentialOutcomes } from '../../src/check/kernel-subject.ts'
import { rwsemNames } from '../../src/kernel/index.ts'
import { isTurn } from '../extent.ts'

/** Explored completely within a second or so. */
const complete = new Set([
  'fault-fault',
  'fault-munmap-table classic xadd',
  'fault-munmap classic xadd',
  'fault-mprotect classic xadd',
  'fault-dontneed',
  'fault-brk classic xadd',
  'fault-mmap-fixed',
  'fault-stack-growth classic xadd',
  'zero-page-cow-munmap classic xadd',
  'split-merge-fault classic xadd',
  'munmap-mmap classic xadd',
  'answer-halting',
  'called-outside',
  'interrupt-deadlock',
  'cow-access',
  'protected-dontneed',
  'dontneed-munmap classic xadd',
  'lookup-rotation classic xadd',
  'mremap-dontunmap classic xadd',
  'file-write-munmap classic xadd',
  'file-write-munmap lespinasse-2021 xadd',
  'fault-around classic xadd',
  'fault-around lespinasse-2021 xadd',
  'spinlock',
  'osq-wait',
  'osq-leave',
  'osq-stay',
  'ticket-spinlock',
  'ticket-spinlock-halting',
  'queued-spinlock',
  'queued-spinlock-queue',
  'queued-fault-fault',
  'rwsem-downgrade',
  'rwsem-downgrade-write',
  'rwsem-sleeping classic xadd',
  'rwsem-two-writers',
  'rwsem-woken-late',
  'rwsem-spinner-called',
  'seqcount',
  'rcu',
  'refcount',
  'frame-allocator',
  'two-undertakers',
  'undertaker-heir',
  'noticer-undertaker',
  'append-append lespinasse-2021 xadd',
  'append-fails lespinasse-2021 xadd',
  'append-truncate lespinasse-2021 xadd',
  'append-munmap lespinasse-2021 xadd',
  'append-flush lespinasse-2021 xadd',
  'overwrite-munmap lespinasse-2021 xadd',
  'overwrite-truncate lespinasse-2021 xadd',
  'overwrite-reclaim lespinasse-2021 xadd',
  'flush-write lespinasse-2021 xadd',
  'flush-write-call lespinasse-2021 xadd',
  'flush-read-page lespinasse-2021 xadd',
  'flush-again lespinasse-2021 xadd',
  'flush-pin lespinasse-2021 xadd',
  'flush-reclaim lespinasse-2021 xadd',
  'flush-fails-write lespinasse-2021 xadd',
  'flush-asked lespinasse-2021 xadd',
  'flush-asked-munmap lespinasse-2021 xadd',
  'flush-asked-fails lespinasse-2021 xadd',
  'flush-page-truncate lespinasse-2021 xadd',
  'changed-reclaim',
  'changed-write',
  'truncate-copy classic xadd',
  'truncate-copy lespinasse-2021 xadd',
])
/** How far the others are explored here; completely, or longer, by `npm run check:all`. */
const EXECUTIONS = {
  xadd: 20,
  generic: 10,
  'writer-spinning': 10,
  'reader-spinning': 10,
  spinning: 10,
} as const
/**
 * The other semaphores are a matter of few scenarios: here those of semaphores meet all, of the others most
 * meet one; by `npm run check:all` all do.
 */
function formsOf(name: string, index: number): readonly (keyof typeof EXECUTIONS)[] {
  if (name.startsWith('rwsem-')) return rwsemNames
  const others = ['generic', 'writer-spinning', 'reader-spinning', 'spinning'] as const
  const other = others[(index >> 1) % others.length]!
  return index % 2 === 0 ? ['xadd'] : ['xadd', other]
}

describe('kernel scenarios', () => {
  for (const [index, name] of scenarioNames.entries()) {
    for (const [turn, design] of ['classic', 'lespinasse-2021'].entries()) {
      for (const rwsem of formsOf(name, index)) {
        const whole = complete.has(name) || complete.has(`${name} ${design} ${rwsem}`)
        // What is not explored whole meets one of the two, in turn.
        if (!whole && !isTurn(index, turn)) continue
        it(`${name}, ${design}, ${rwsem}`, async () => {
          const result = await checkKernelScenario(
            name,
            { design, rwsem },
            { maxExecutions: whole ? 1e6 : EXECUTIONS[rwsem] },
          )
          assert.deepEqual(result.failure, null)
          if (whole) assert.equal(result.verdict, 'pass')
        })
      }
    }
  }
})

describe('the sequential orders of three threads', () => {
  it('of two operations each are ninety, and are all tried', async () => {
    const { exports } = await loadStepped(new URL('programs/three-by-two.ts', import.meta.url))
    const make = exports['default'] as (choice: object) => unknown
    let made = 0
    const outcomes = sequentialOutcomes(() => {
      made++
      return make({ design: 'classic', rwsem: 'xadd' })
    })
    // Each adds to one counter twice, so that who got which number tells the order.
    assert.deepEqual([made, outcomes.size], [1, 90])
  })

  it('in which an operation fails are told, and nothing is held against the rest', async () => {
    const { exports } = await loadStepped(new URL('programs/fails-in-order.ts', import.meta.url))
    const make = exports['default'] as (choice: object) => unknown
    assert.throws(
      () => sequentialOutcomes(() => make({ design: 'classic', rwsem: 'xadd' })),
      (error) => {
        assert.ok(error instanceof FailsInOrder)
        assert.match(error.message, /in the order CPU 1, CPU 0, the operations fail: Error: 1 is too much/)
        return true
      },
    )
  })
})

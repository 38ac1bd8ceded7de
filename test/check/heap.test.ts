// The algorithm of heaps, in every interleaving of what threads do with one; and that each of its guards is needed.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { checkFile } from '../../src/check.ts'
import * as exported from './heap/scenarios.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
mkdirSync(join(root, '.build'), { recursive: true })
const folder = mkdtempSync(join(root, '.build/heap-'))
after(() => rmSync(folder, { recursive: true }))

type Name = keyof typeof exported
const scenarios = Object.entries(exported) as [Name, (typeof exported)[Name]][]

const sources = ['heap-core.ts', 'heap-lock.ts', 'heap-layout.ts'].map(
  (file) => `src/backends/threads/${file}`,
)
const tests = ['small-heap.ts', 'scenarios.ts'].map((file) => `test/check/heap/${file}`)

/** What stands in the source, once, and what is to stand there. */
type Change = readonly [old: string, changed: string]

/** Writes the heap, its scenarios and a module for one of them beside each other. Returns that module. */
function written(name: string, scenario: Name, changes: readonly Change[]): string {
  const target = join(folder, name)
  mkdirSync(target, { recursive: true })
  let applied = 0
  for (const file of [...sources, ...tests]) {
    let text = readFileSync(join(root, file), 'utf8')
      .replaceAll('../../../src/backends/threads/', './')
      .replaceAll('../../../src/check.ts', pathToFileURL(join(root, 'src/check.ts')).href)
    for (const [old, changed] of changes) {
      const parts = text.split(old)
      applied += parts.length - 1
      text = parts.join(changed)
    }
    writeFileSync(join(target, file.slice(file.lastIndexOf('/') + 1)), text)
  }
  assert.equal(applied, changes.length, 'each change is of one place')
  const module = join(target, `${scenario}.ts`)
  writeFileSync(module, `export { ${scenario} as default } from './scenarios.ts'\n`)
  return module
}

describe('a heap', () => {
  for (const [name, { title }] of scenarios) {
    it(title!, async (test) => {
      // Each wait for the lock may time out: three times in each thread, wherever that is.
      const result = await checkFile(written('right', name, []), { timeouts: 3 })
      test.diagnostic(
        `${result.executions} executions, ${result.steps} steps, ${result.seconds.toFixed(2)} s`,
      )
      assert.equal(result.failure?.message, undefined)
      assert.equal(result.complete, true)
    })
  }
})

/** A guard that is taken out, and what tells. */
interface Mutant {
  readonly title: string
  readonly scenario: Name
  readonly changes: readonly Change[]
  readonly message: RegExp
}

const mutants: readonly Mutant[] = [
  {
    title: 'a block is taken by a load and a store',
    scenario: 'freedBeside',
    changes: [
      [
        'if ((this.#words.and(this.#places[size]!, ~bit >>> 0) & bit) === 0) continue',
        `const seen = this.#words.load(this.#places[size]!)
        this.#words.store(this.#places[size]!, (seen & ~bit) >>> 0)`,
      ],
    ],
    message: /3 blocks, 2 held/,
  },
  {
    title: 'a block is freed by a load and a store',
    scenario: 'smallTwice',
    changes: [
      [
        'const before = this.#words.or(at, bit)',
        'const before = this.#words.load(at)\nthis.#words.store(at, (before | bit) >>> 0)',
      ],
    ],
    message: /deep-equal/,
  },
  {
    title: 'who frees goes by what the span was before',
    scenario: 'freedWhenGivenUp',
    changes: [
      [
        'this.#afterFree(span, size, before,',
        'if ((state & SPAN_OWNED) === 0) this.#afterFree(span, size, before,',
      ],
    ],
    message: /span 0 is in the set/,
  },
  {
    title: 'who gives a span up looks at it before',
    scenario: 'trimmed',
    changes: [
      [
        `    this.#setState(cached - 1, (size << CLASS_BITS) | SPAN_SMALL)
    this.#settle(cached - 1)`,
        `    const free = this.#freeBlocks(cached - 1, size)
    this.#setState(cached - 1, (size << CLASS_BITS) | SPAN_SMALL)
    if (free === this.#layout.slotsOf(size)) this.#setFree(cached - 1, 1)
    else if (free > 0) this.#include(size, cached - 1)`,
      ],
    ],
    message: /1 !== 2/,
  },
  {
    title: 'of the last blocks, nobody looks after the span',
    scenario: 'lastTwo',
    changes: [['if (before !== 0 && !fills) return', 'if (before !== 0) return']],
    message: /1 !== 2/,
  },
  {
    title: 'a span that becomes free stays in the set of its size',
    scenario: 'lastTwo',
    changes: [
      [
        `      this.#exclude(size, span)
      this.#setFree(span, 1)`,
        '      this.#setFree(span, 1)',
      ],
    ],
    message: /span 0 is in the set of size 1/,
  },
  {
    title: 'whether a large block is there is not asked again under the lock',
    scenario: 'largeTwice',
    changes: [["if ((state & KIND_MASK) !== SPAN_LARGE) return 'free'", '']],
    message: /deep-equal/,
  },
  {
    title: 'spans are taken without the lock',
    scenario: 'twoRefills',
    changes: [['    this.#lock.take()\n', '']],
    message: /two accesses to the same memory/,
  },
  {
    title: 'nobody is woken',
    scenario: 'twoRefills',
    changes: [
      [
        'if ((this.#words.exchange(this.#word, 0) & SLEEPERS) !== 0) this.#words.notify(this.#word)',
        'this.#words.exchange(this.#word, 0)',
      ],
    ],
    message: /lost wake-up/,
  },
  {
    title: 'who has slept takes the lock as if nobody else slept',
    scenario: 'threeRefills',
    changes: [
      [
        'seen = this.#words.compareExchange(word, 0, own | SLEEPERS)',
        'seen = this.#words.compareExchange(word, 0, own)',
      ],
    ],
    message: /lost wake-up/,
  },
  {
    title: 'the lock of a thread that has ended stays taken',
    scenario: 'endedSmall',
    changes: [['this.#holders.isGone(seen >>> 1)) {', 'false) {']],
    message: /every thread that is left waits/,
  },
  {
    title: 'a CPU has a span before that is one of small blocks',
    scenario: 'endedSmall',
    changes: [
      [
        `    this.#setState(span, (size << CLASS_BITS) | SPAN_OWNED | SPAN_SMALL)
    this.#setCache(this.#host.cpu, size, span + 1)`,
        `    this.#setCache(this.#host.cpu, size, span + 1)
    this.#setState(span, (size << CLASS_BITS) | SPAN_OWNED | SPAN_SMALL)`,
      ],
    ],
    message: /span 1 has 1 owners/,
  },
  {
    title: 'a freed span is counted after it is in its set',
    scenario: 'endedFreeing',
    changes: [
      [
        '    const retained = this.#words.get(Common.retained) + count\n    this.#words.set(Common.retained, retained)\n',
        '',
      ],
      [
        '    if (retained > this.#retain) this.#discard(span, count)',
        `    const retained = this.#words.get(Common.retained) + count
    this.#words.set(Common.retained, retained)
    if (retained > this.#retain) this.#discard(span, count)`,
      ],
    ],
    message: /is set to -1/,
  },
  {
    title: 'so are those that are found when there is no room',
    scenario: 'endedRebuilding',
    changes: [['    this.#words.set(Common.retained, mapped)\n', '']],
    message: /is set to -1/,
  },
  {
    title: 'what was freed and not told is not looked for',
    scenario: 'endedFreeing',
    changes: [['    this.#rebuild()\n    return take()', '    return take()']],
    message: /free spans in memory/,
  },
]

describe('each guard of a heap is needed', () => {
  for (const [index, { title, scenario, changes, message }] of mutants.entries()) {
    it(title, async (test) => {
      const { failure } = await checkFile(written(`mutant-${index}`, scenario, changes), {
        minimiseSeconds: 0.1,
      })
      test.diagnostic(failure?.message ?? 'not found')
      assert.match(failure?.message ?? '', message)
    })
  }
})

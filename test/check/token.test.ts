// Replay tokens: what they keep, and what is refused.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  TokenRefused,
  checkFile,
  checkKernelScenario,
  mutants,
  replayFile,
  replayKernelScenario,
} from '../../src/check/index.ts'
import { type ReplayedExecution, executionOf, replayToken } from '../../src/check/token.ts'

const code = {
  scenario: 'fault-munmap',
  design: 'lespinasse-2021',
  rwsem: 'xadd',
  rss: 'batched',
  published: false,
  digest: '3f9a0c12b7aa',
} as const
const choice = { design: 'lespinasse-2021', rwsem: 'xadd' } as const

function program(name: string): URL {
  return new URL(`programs/${name}.ts`, import.meta.url)
}

function refused(run: () => unknown, message: RegExp): void {
  assert.throws(run, (error) => error instanceof TokenRefused && message.test(error.message))
}

describe('replay tokens', () => {
  it('keep an execution', () => {
    const turning = fc.record(
      { step: fc.nat({ max: 20_000 }), thread: fc.nat({ max: 15 }) },
      { noNullPrototype: true },
    )
    const execution = fc.record(
      {
        kind: fc.constantFrom('error', 'race', 'deadlock', 'livelock'),
        steps: fc.nat({ max: 20_000 }),
        turnings: fc.array(turning).map((turnings) => turnings.toSorted((a, b) => a.step - b.step)),
        turns: fc.option(fc.integer({ min: 1, max: 10_000 })),
        counting: fc.array(fc.integer({ min: 0, max: 2 ** 16 }), { maxLength: 4 }),
      },
      { noNullPrototype: true },
    ) as fc.Arbitrary<ReplayedExecution>
    fc.assert(
      fc.property(execution, (given) => {
        assert.deepEqual(executionOf(replayToken(code, given), code), given)
      }),
    )
  })

  it('are short where there are few preemptions, and one word', () => {
    const turnings = [
      { step: 31, thread: 1 },
      { step: 58, thread: 0 },
    ]
    const token = replayToken(code, { kind: 'error', steps: 93, turnings, turns: null, counting: [] })
    assert.match(token, /^fl1\.fault-munmap\/lespinasse-2021\/xadd\.3f9a0c12b7\.[\w-]{8}\.[\da-f]{4}$/)
  })

  it('are refused where a character is not what it was', () => {
    const token = replayToken(code, {
      kind: 'error',
      steps: 93,
      turnings: [{ step: 31, thread: 1 }],
      turns: null,
      counting: [],
    })
    for (let at = 4; at < token.length; at++) {
      const other = token[at] === 'a' ? 'b' : 'a'
      refused(() => executionOf(token.slice(0, at) + other + token.slice(at + 1), code), /is damaged/)
    }
    for (let length = 4; length < token.length; length++)
      refused(() => executionOf(token.slice(0, length), code), /is damaged/)
  })

  it('are refused for another scenario, design, rwsem, code and version', () => {
    const token = replayToken(code, { kind: 'error', steps: 93, turnings: [], turns: null, counting: [] })
    refused(
      () => executionOf(token, { ...code, scenario: 'fault-brk' }),
      /for fault-munmap.*not for fault-brk/,
    )
    refused(() => executionOf(token, { ...code, design: 'classic' }), /not for fault-munmap\/classic\/xadd/)
    refused(() => executionOf(token, { ...code, rwsem: 'generic' }), /not for .*\/generic/)
    const shared = replayToken(
      { ...code, rss: 'shared' },
      { kind: 'error', steps: 93, turnings: [], turns: null, counting: [] },
    )
    assert.match(shared, /^fl1\.fault-munmap\/lespinasse-2021\/xadd\/shared\./)
    refused(
      () => executionOf(shared, code),
      /for .*\/shared, and not for fault-munmap\/lespinasse-2021\/xadd$/,
    )
    refused(() => executionOf(token, { ...code, rss: 'shared' }), /not for .*\/xadd\/shared/)
    const published = { ...code, published: true }
    const flawed = replayToken(published, {
      kind: 'error',
      steps: 93,
      turnings: [],
      turns: null,
      counting: [],
    })
    assert.match(flawed, /^fl1\.fault-munmap\/lespinasse-2021\/xadd\/published\./)
    assert.equal(executionOf(flawed, published).steps, 93)
    refused(() => executionOf(flawed, code), /for .*\/published, and not for .*\/xadd$/)
    refused(() => executionOf(token, published), /not for .*\/xadd\/published/)
    const both = { ...published, rss: 'shared' }
    assert.equal(
      executionOf(
        replayToken(both, { kind: 'error', steps: 9, turnings: [], turns: null, counting: [] }),
        both,
      ).steps,
      9,
    )
    refused(() => executionOf(token, { ...code, digest: '0000000000' }), /the code of .* has changed/)
    refused(() => executionOf(token.replace('fl1', 'fl7'), code), /version fl7, and this is fl1/)
    refused(() => executionOf('nonsense', code), /not a replay token/)
    refused(() => executionOf('', code), /not a replay token/)
  })

  for (const name of ['ring', 'racy', 'deadlock', 'noisy']) {
    it(`run the execution of ${name} again`, async () => {
      const { failure } = await checkFile(program(name))
      const again = await replayFile(program(name), failure!.token!)
      assert.equal(again.executions, 1)
      assert.deepEqual(again.failure!.counterexample, failure!.counterexample)
      assert.deepEqual(again.failure!.schedule, failure!.schedule)
      assert.equal(again.failure!.token, failure!.token)
    })
  }

  it('run what does not end again, to the same length', async () => {
    const { failure } = await checkFile(program('endless'), { maxSteps: 300 })
    const again = await replayFile(program('endless'), failure!.token!)
    assert.deepEqual([again.failure!.kind, again.failure!.steps], ['livelock', 300])
  })

  it('run a mutant again, with what time lets go on, and nothing but that mutant', async () => {
    const { scenario, patches } = mutants.find(({ name }) => name === 'call-not-taken-back')!
    const { failure } = await checkKernelScenario(scenario, choice, { patches })
    const again = await replayKernelScenario(scenario, choice, failure!.token!, { patches })
    assert.equal(again.failure!.kind, 'deadlock')
    assert.deepEqual(again.failure!.counterexample, failure!.counterexample)
    await assert.rejects(replayKernelScenario(scenario, choice, failure!.token!), /has changed/)
    const generic = { ...choice, rwsem: 'generic' } as const
    await assert.rejects(replayKernelScenario(scenario, generic, failure!.token!, { patches }), TokenRefused)
  })

  it('run a design as published again, which is another one than the mended', async () => {
    const published = { design: 'kamezawa-2009-refcount', rwsem: 'xadd', published: true } as const
    const mended = { ...published, published: false }
    const limits = { bound: 2, minimiseSeconds: 1 }
    const { failure, ...result } = await checkKernelScenario('fault-munmap', published, limits)
    assert.equal(result.published, true)
    const again = await replayKernelScenario('fault-munmap', published, failure!.token!)
    assert.equal(again.published, true)
    assert.deepEqual(again.failure!.counterexample, failure!.counterexample)
    await assert.rejects(
      replayKernelScenario('fault-munmap', mended, failure!.token!),
      /the token is for .*\/published, and not for fault-munmap\/kamezawa-2009-refcount\/xadd$/,
    )
  })

  it('outlive a change of comments and types, and no other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
    try {
      const file = join(folder, 'lost.check.ts')
      const source = readFileSync(program('lost-update'), 'utf8')
      writeFileSync(file, source)
      const { failure } = await checkFile(file)
      writeFileSync(file, `// A word more.\n${source.replace(': void', '/* nothing */: void')}`)
      const again = await replayFile(file, failure!.token!)
      assert.equal(again.failure!.message, failure!.message)
      writeFileSync(file, source.replace('+ 1', '+ 2'))
      await assert.rejects(replayFile(file, failure!.token!), /the code of lost\.check\.ts has changed/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

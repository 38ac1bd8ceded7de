// A thread that is ended in an access that needs no fault costs nothing, also where it is ended while it answers a call
// of another CPU. One that is ended while it buries another never leaves the others waiting.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type EndsResult, checkEnds } from '../../src/check/index.ts'
import { type SourcePatch, at } from '../../src/check/mutants/patch.ts'

const cpu = 'machine/cpu.ts'

function endIn(victim: string, patches: readonly SourcePatch[] = []): Promise<EndsResult> {
  return checkEnds({
    design: 'lespinasse-2021',
    rwsem: 'xadd',
    victim,
    ordered: false,
    orders: ['called', 'bystander', 'undertaker', 1],
    patches,
  })
}

describe('a thread that is ended in an access that needs no fault', () => {
  for (const victim of ['load, hit', 'store, hit']) {
    it(`costs nothing, at whatever step: ${victim}`, async () => {
      const { failures, lost, stood } = await endIn(victim)
      assert.deepEqual(failures, [])
      assert.equal(lost, 0)
      assert.ok(stood >= 40, `${stood} executions`)
    })
  }

  it('is never buried without an answer: one that waits for it would wait for ever', async () => {
    const patch = at(cpu, 'exitTornStay').drop('Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)')
    const { failures } = await endIn('load, hit', [patch])
    assert.match(failures.join('\n'), /can never go on|more steps than any end needs/)
  })

  it('is ended in the middle of an answer too: were that work that is lost, the machine would be', async () => {
    const patch = at(cpu, 'answerCalls').before('doCall(cpu, sender)', 'beginWork(cpu)')
    const { failures, lost } = await endIn('load, hit', [patch])
    assert.deepEqual(failures, [])
    assert.ok(lost > 0)
  })
})

describe('a thread that is ended while it takes the place of a dead one', () => {
  const options = { design: 'classic', rwsem: 'xadd', orders: ['bystander', 'undertaker', 1] } as const
  const undertaker = [
    at('calls/thread-end.ts', 'buryCpu').drop('callEnter(undertaker); leaveForHost(undertaker)'),
    at('calls/thread-end.ts', 'buryCpu').drop('returnFromHost(undertaker); callExit(undertaker)'),
  ]

  for (const victim of ['bury', 'notice', 'inherit a CPU']) {
    it(`costs nothing where it was ordered to stop: ${victim}`, async () => {
      const { failures, lost, executions } = await checkEnds({ ...options, victim, ordered: true })
      assert.deepEqual(failures, [])
      assert.equal(lost, 0)
      assert.ok(executions >= 30, `${executions} executions`)
    })

    it(`leaves nobody waiting where it was not: ${victim}`, async () => {
      const { failures, lost } = await checkEnds({ ...options, victim, ordered: false })
      assert.deepEqual(failures, [])
      assert.ok(lost > 0, 'in the middle of it the machine is lost')
    })
  }

  it('would, if it were not at work meanwhile', async () => {
    const { lost } = await checkEnds({ ...options, victim: 'bury', ordered: true, patches: undertaker })
    assert.ok(lost > 0, 'ended in the middle of a burial, though it had been ordered to stop')
  })
})

describe('a thread that is ended while its CPU names a VMA, for which a writer waits', () => {
  const options = { design: 'hazard-vma', rwsem: 'spinning', orders: ['bystander', 'undertaker', 1] } as const

  for (const victim of ['store, new page', 'store, file', 'madvise dontneed']) {
    it(`costs nothing where it was ordered to stop: ${victim}`, async () => {
      const { failures, lost, executions } = await checkEnds({ ...options, victim, ordered: true })
      assert.deepEqual(failures, [])
      assert.equal(lost, 0)
      assert.ok(executions >= 60, `${executions} executions`)
    })

    it(`leaves no writer waiting where it was not: ${victim}`, async () => {
      const { failures, lost } = await checkEnds({ ...options, victim, ordered: false })
      assert.deepEqual(failures, [])
      assert.ok(lost > 0, 'in the middle of it the machine is lost')
    })
  }

  it('meets a writer that waits for it: one that only spins is seen', async () => {
    const patch = at('designs/hazard-vma.ts', 'waitForUsers').replace(
      'rcuwaitWhile(cpu, mm + Mm.vmaWriterWait, used, vma)',
      'while (Atomics.load(heap, used) === vma);',
    )
    const victim = 'store, new page'
    const { failures } = await checkEnds({ ...options, victim, ordered: false, patches: [patch] })
    assert.match(failures.join('\n'), /can never go on|more steps than any end needs/)
  })
})

describe('a thread that waits for a word of memory, as another is ended', () => {
  const options = { design: 'lespinasse-2021', rwsem: 'xadd', ordered: false, waits: true } as const
  const orders = ['bystander', 'undertaker', 1] as const

  for (const victim of ['load, hit', 'munmap', 'msync', 'wake', 'wait']) {
    it(`is woken, or told that the machine is lost: ${victim}`, async () => {
      const { failures, executions } = await checkEnds({ ...options, orders, victim })
      assert.deepEqual(failures, [])
      assert.ok(executions >= 15, `${executions} executions`)
    })
  }

  it('would wait for ever, if nobody looked who waits when the machine is lost', async () => {
    const patch = at(cpu, 'declareCpuLost').drop('Atomics.notify(heap, base + PerCpu.futexState)')
    const { failures } = await checkEnds({ ...options, orders, victim: 'munmap', patches: [patch] })
    assert.match(failures.join('\n'), /can never go on/)
  })
})

// A slice of the conformance suite, and the suite itself: that it finds what differs, and that its list is true.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { designs } from '../../src/index.ts'
import { compare, disagreementText, judge } from './compare.ts'
import { differences } from './differences.ts'
import { Subject } from './faultline.ts'
import { isRecent, LinuxPeer, oldestKernel, type Peer, whyNotHere } from './linux.ts'
import type { Step } from './operations.ts'
import { PAGE } from './world.ts'

const skip =
  whyNotHere() ?? (isRecent(os.release()) ? false : `needs Linux ${oldestKernel}, whose rules these are`)
const names = designs.map(({ name }) => name)
const main = fileURLToPath(new URL('main.ts', import.meta.url))

async function withPeer(threads: number, body: (peer: LinuxPeer) => Promise<void>): Promise<void> {
  const peer = await LinuxPeer.start(threads)
  try {
    await body(peer)
  } finally {
    peer.close()
  }
}

describe('random sequences do on Faultline what they do on Linux', { skip }, () => {
  for (const threads of [1, 3]) {
    test(`${threads} ${threads === 1 ? 'thread' : 'threads in turn'}`, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31)
      await withPeer(threads, async (peer) => {
        const result = await compare({ sequences: 1500, seed, calls: 40, designs: names, peer })
        const { disagreement } = result
        if (disagreement !== null) assert.fail(`seed ${seed}: ${disagreementText(disagreement)}`)
        assert.equal(result.sequences, 1500)
      })
    })
  }
})

describe('each difference by design', { skip }, () => {
  for (const difference of differences) {
    test(`is one, and all that its example shows: ${difference.name}`, async () => {
      await withPeer(1, async (peer) => {
        const [theirs] = await peer.run([difference.example])
        const ours = new Subject('classic', peer).run(difference.example)
        const differs = judge(difference.example, theirs!, ours, []).step !== null
        if (difference.certain) assert.ok(differs, 'Faultline does now what Linux does')
        const verdict = judge(difference.example, theirs!, ours, [difference])
        assert.equal(verdict.step, null)
        assert.deepEqual(verdict.listed, differs ? [difference] : [])
      })
    })
  }
})

describe('the comparison', { skip }, () => {
  const steps: readonly Step[] = [
    ['mmap', 0, 2 * PAGE, 3, 1, 0, 0],
    ['store', 8, 4, 77],
    ['mprotect', PAGE, PAGE, 1],
    ['munmap', 0, PAGE],
  ]

  test('notices a result, a fault, a mapping, a page in memory and contents that differ', async () => {
    await withPeer(1, async (peer) => {
      const [theirs] = await peer.run([steps])
      const ours = new Subject('classic', peer).run(steps)
      assert.equal(judge(steps, theirs!, ours).step, null)
      const changes: [step: number, from: string, to: string][] = [
        [0, '0|0-2000', '1000|0-2000'],
        [1, '0 1|', '0 2|'],
        [2, '1000-2000 r--p', '1000-2000 rw-p'],
        [1, '|10', '|00'],
        [4, '0', '1'],
      ]
      for (const [step, from, to] of changes) {
        assert.ok(theirs![step]!.includes(from), `step ${step}: ${theirs![step]}`)
        const changed = theirs!.with(step, theirs![step]!.replace(from, to))
        assert.equal(judge(steps, changed, ours).step, step)
      }
      assert.equal(judge(steps, theirs!.slice(0, 3), ours).step, 3)
    })
  })

  test('finds one sequence in many and shrinks it', async () => {
    await withPeer(1, async (real) => {
      // A kernel that loses what is stored to the second page of the arena.
      const faulty: Peer = {
        heapStart: real.heapStart,
        memlockMost: real.memlockMost,
        async run(sequences) {
          const lost = sequences.map((each) =>
            each.map((step): Step => {
              const [name, at] = step
              return name === 'store' && at! >= PAGE && at! < 2 * PAGE - 8 ? ['load', at!, step[2]!] : step
            }),
          )
          return real.run(lost)
        },
      }
      const result = await compare({
        sequences: 5000,
        seed: 1,
        calls: 40,
        designs: ['classic'],
        peer: faulty,
      })
      assert.ok(result.disagreement !== null)
      assert.ok(result.disagreement.steps.length <= 3, disagreementText(result.disagreement))
      assert.match(
        disagreementText(result.disagreement),
        /classic and Linux differ:[^]*store [^]*Faultline: /,
      )
    })
  })

  test('begins each sequence in the state that the first one met', async () => {
    await withPeer(1, async (peer) => {
      const [first, second, third] = await peer.run([steps, [['brk', 3 * PAGE]], steps])
      assert.deepEqual(third, first)
      assert.match(second![0]!, /^10003000\|10000000-10003000 rw-p 0\|000$/)
      const subject = new Subject('lespinasse-2021', peer)
      const [ours] = [steps, [['brk', 3 * PAGE] as const], steps].map((each) => subject.run(each))
      assert.deepEqual(subject.run(steps), ours)
    })
  })
})

describe('npm run conformance', () => {
  const run = (...values: string[]) => spawnSync(process.execPath, [main, ...values], { encoding: 'utf8' })

  test('refuses a wrong call with exit code 2', () => {
    for (const wrong of [
      ['--sequences', '0'],
      ['--sequences', 'many'],
      ['--calls', '501'],
      ['--threads', '5'],
      ['--seed', '-1'],
      ['--design', 'none'],
      ['--colour'],
      ['stray'],
    ]) {
      const { status, stderr } = run(...wrong)
      assert.equal(status, 2, wrong.join(' '))
      assert.match(stderr, /^conformance: /)
    }
  })

  test('says what agreed, and the same of the same seed', { skip }, () => {
    const [first, second] = [1, 2].map(() => run('--sequences', '60', '--seed', '7', '--design', 'classic'))
    assert.equal(first!.status, 0, first!.stdout)
    assert.match(first!.stdout, /^60 sequences of [\d,]+ steps, seed 7, 1 designs, Linux [^]*all agree\n$/)
    assert.equal(first!.stdout.split(' steps')[0], second!.stdout.split(' steps')[0])
  })

  test('says that it skips where there is no compiler', { skip: process.platform !== 'linux' }, () => {
    const environment = { ...process.env, CC: 'no-such-compiler' }
    const { status, stdout } = spawnSync(process.execPath, [main], { encoding: 'utf8', env: environment })
    assert.equal(status, 0)
    assert.match(stdout, /^conformance: skipped: /)
  })
})

// A slice of the conformance suite, and the suite itself: that it finds what differs, and that its list is true.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { designs } from '../../src/memory.ts'
import { readArguments } from './arguments.ts'
import { compare, disagreementText, judge } from './compare.ts'
import { differences } from './differences.ts'
import { Subject } from './faultline.ts'
import { isRecent, LinuxPeer, oldestKernel, parseReady, type Peer, whyNotHere } from './linux.ts'
import { extent } from '../extent.ts'
import type { Step } from './operations.ts'
import { PAGE } from './world.ts'

const skip =
  whyNotHere() ?? (isRecent(os.release()) ? false : `needs Linux ${oldestKernel}, whose rules these are`)
const names = designs.map(({ name }) => name)
/** What a Linux may be like. */
const other = {
  heapStart: 0x5555_5557_f000,
  threads: 2,
  memlockMost: Infinity,
  executeOnly: false,
  forbidsZeroPage: false,
}
const main = fileURLToPath(new URL('main.ts', import.meta.url))

async function withPeer(threads: number, body: (peer: LinuxPeer) => Promise<void>): Promise<void> {
  const peer = await LinuxPeer.start(threads)
  try {
    await body(peer)
  } finally {
    peer.close()
  }
}

/** With each form of Linux that this host can show. */
async function withForms(threads: number, body: (peer: LinuxPeer) => Promise<void>): Promise<void> {
  const peers = await LinuxPeer.startForms(threads)
  try {
    for (const peer of peers) await body(peer)
  } finally {
    for (const peer of peers) peer.close()
  }
}

describe('random sequences do on Faultline what they do on Linux', { skip }, () => {
  for (const threads of [1, 3]) {
    test(`processes of ${threads} ${threads === 1 ? 'thread' : 'threads'}`, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31)
      const sequences = extent(60, 1000)
      await withForms(threads, async (peer) => {
        const result = await compare({ sequences, seed, calls: 40, designs: names, peer })
        const { disagreement } = result
        if (disagreement !== null)
          assert.fail(`${peer.form}, seed ${seed}: ${disagreementText(disagreement)}`)
        assert.equal(result.sequences, sequences)
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
        // What Linux may do at any time or never may show as another of the same kind.
        const verdict = judge(
          difference.example,
          theirs!,
          ours,
          difference.certain ? [difference] : differences,
        )
        assert.equal(verdict.step, null)
        if (difference.certain) assert.deepEqual(verdict.listed, [difference])
        else assert.equal(verdict.listed.length > 0, differs)
      })
    })
  }
})

/** Memory that may only be executed, and what each step answers: with protection keys, without, or in both forms. */
const executeOnly: readonly [step: Step, answer: string | readonly [withKeys: string, without: string]][] = [
  [
    ['mmap', 0, 4 * PAGE, 4, 1, 0, 0],
    ['0', '0'],
  ],
  [
    ['load', 8, 1],
    ['SEGV_PKUERR@8 0', '0 1'],
  ],
  [
    ['store', 8, 1, 5],
    ['SEGV_PKUERR@8 0', 'SEGV_ACCERR@8 0'],
  ],
  [['execute', PAGE + 8], '0 1'],
  [
    ['load', PAGE + 8, 4],
    ['SEGV_PKUERR@1008 0', '0 0'],
  ],
  [
    ['madvise', 0, PAGE, 22],
    ['EINVAL', 'EINVAL'],
  ],
  // Locked it is, but not brought in.
  [
    ['mlock', 2 * PAGE, PAGE, 0],
    ['ENOMEM', '0'],
  ],
  [
    ['mincore', 0, 4 * PAGE],
    ['0100', '1110'],
  ],
  [['munlock', 2 * PAGE, PAGE], '0'],
  // Out of it and into it again.
  [['mprotect', 3 * PAGE, PAGE, 3], '0'],
  [['fill', 3 * PAGE, PAGE, 7], '0 1'],
  [['mprotect', 3 * PAGE, PAGE, 4], '0'],
  [
    ['load', 3 * PAGE, 1],
    ['SEGV_PKUERR@3000 0', '7 0'],
  ],
  [['mremap', 3 * PAGE, PAGE, PAGE, 3, 8 * PAGE], '8000'],
  [
    ['load', 8 * PAGE, 1],
    ['SEGV_PKUERR@8000 0', '7 0'],
  ],
  [['mprotect', 8 * PAGE, PAGE, 0], '0'],
  [['load', 8 * PAGE, 1], 'SEGV_ACCERR@8000 0'],
  [['mprotect', 8 * PAGE, PAGE, 5], '0'],
  [['load', 8 * PAGE, 1], '7 0'],
  // A key for a child as well, and for other threads.
  [['mprotect', 8 * PAGE, PAGE, 4], '0'],
  [['fork', 1], '1'],
  [
    ['load', 8 * PAGE, 1],
    ['SEGV_PKUERR@8000 0', '7 0'],
  ],
  [['mmap', 9 * PAGE, PAGE, 4, 1, 0, 0], '9000'],
  [
    ['add', 9 * PAGE, 1],
    ['SEGV_PKUERR@9000 0', 'SEGV_ACCERR@9000 0'],
  ],
  [['thread', 1], '0'],
  [
    ['load', 9 * PAGE, 8],
    ['SEGV_PKUERR@9000 0', '0 1'],
  ],
  [['execute', 8 * PAGE], '0 0'],
]

/** Anonymous memory that is read first, and what each step answers: with the zero page, without, or in both forms. */
const readFirst: readonly [step: Step, answer: string | readonly [zeroPage: string, forbidden: string]][] = [
  [['mmap', 0, 8 * PAGE, 3, 1, 0, 0], '0'],
  [['load', 8, 1], '0 1'],
  [
    ['store', 8, 1, 5],
    ['0 1', '0 0'],
  ],
  [['madvise', 4 * PAGE, 2 * PAGE, 22], '0 2'],
  [
    ['fill', 4 * PAGE, 2 * PAGE, 7],
    ['0 2', '0 0'],
  ],
  // Which anon_vma a read has made decides what joins.
  [['mmap', 10 * PAGE, PAGE, 3, 1, 0, 0], 'a000'],
  [['mmap', 12 * PAGE, PAGE, 3, 1, 0, 0], 'c000'],
  [['load', 10 * PAGE, 1], '0 1'],
  [['load', 12 * PAGE, 1], '0 1'],
  [['mmap', 11 * PAGE, PAGE, 3, 1, 0, 0], 'b000'],
  [
    ['mremap', 10 * PAGE, 3 * PAGE, 4 * PAGE, 1, 0],
    ['a000', 'EFAULT'],
  ],
  // What was only read, a child inherits as well, and what is never written.
  [['mmap', 30 * PAGE, 2 * PAGE, 1, 1, 0, 0], '1e000'],
  [['load', 30 * PAGE, 8], '0 1'],
  [['store', 30 * PAGE, 1, 1], 'SEGV_ACCERR@1e000 0'],
  [['fork', 1], '1'],
  [
    ['mincore', 30 * PAGE, 2 * PAGE],
    ['00', '10'],
  ],
  [
    ['load', 30 * PAGE, 8],
    ['0 1', '0 0'],
  ],
  [['store', 10 * PAGE, 1, 1], '0 1'],
  [['switch', 0], '0'],
  [['load', 10 * PAGE, 1], '0 0'],
]

describe('anonymous memory that is read first', () => {
  const steps = readFirst.map(([step]) => step)
  const answers = (forbidden: boolean) =>
    readFirst.map(([, answer]) => (typeof answer === 'string' ? answer : answer[forbidden ? 1 : 0]))
  const results = (lines: readonly string[]) => lines.slice(0, steps.length).map((line) => line.split('|')[0])

  for (const forbidsZeroPage of [false, true]) {
    test(`has both forms in every design: the zero page ${forbidsZeroPage ? 'is forbidden' : 'is mapped'}`, () => {
      for (const design of names) {
        const subject = new Subject(design, { ...other, forbidsZeroPage })
        assert.deepEqual(results(subject.run(steps)), answers(forbidsZeroPage), design)
        subject.close()
      }
    })
  }

  test('has the form on Linux that its host has, and not the other', { skip }, async () => {
    await withPeer(2, async (peer) => {
      const { forbidsZeroPage } = peer
      const [theirs] = await peer.run([steps])
      assert.deepEqual(results(theirs!), answers(forbidsZeroPage), peer.form)
      for (const wrong of [false, true]) {
        const like = { ...other, executeOnly: peer.executeOnly, forbidsZeroPage: forbidsZeroPage !== wrong }
        const subject = new Subject('classic', like)
        assert.equal(judge(steps, theirs!, subject.run(steps)).step, wrong ? 2 : null)
        subject.close()
      }
    })
  })
})

describe('memory that may only be executed', () => {
  const steps = executeOnly.map(([step]) => step)
  const answers = (withKeys: boolean) =>
    executeOnly.map(([, answer]) => (typeof answer === 'string' ? answer : answer[withKeys ? 0 : 1]))
  const results = (lines: readonly string[]) => lines.slice(0, steps.length).map((line) => line.split('|')[0])

  for (const withKeys of [true, false]) {
    test(`has both forms in every design: ${withKeys ? 'with' : 'without'} protection keys`, () => {
      for (const design of names) {
        const subject = new Subject(design, { ...other, executeOnly: withKeys })
        assert.deepEqual(results(subject.run(steps)), answers(withKeys), design)
        subject.close()
      }
    })
  }

  test('has the form on Linux that its host can show, and none other', { skip }, async () => {
    await withForms(2, async (peer) => {
      const [theirs] = await peer.run([steps])
      assert.deepEqual(results(theirs!), answers(peer.executeOnly), peer.form)
      // The comparison notices it where Faultline has the other form.
      const subject = new Subject('classic', {
        ...other,
        executeOnly: !peer.executeOnly,
        forbidsZeroPage: peer.forbidsZeroPage,
      })
      assert.equal(judge(steps, theirs!, subject.run(steps)).step, 1)
      subject.close()
    })
  })

  test('is asked for when the other side starts', () => {
    const parsed = {
      heapStart: 4096,
      memlockMost: Infinity,
      executeOnly: false,
      keysLeft: 0,
      forbidsZeroPage: false,
    }
    assert.deepEqual(parseReady('ready 4096 18446744073709551615 0 0 1'), parsed)
    assert.deepEqual(parseReady('ready 4096 18446744073709551615 14 4 0'), {
      ...parsed,
      executeOnly: true,
      keysLeft: 14,
      forbidsZeroPage: true,
    })
    assert.throws(() => parseReady('ready 4096 8388608 0 2 1'), /SIGSEGV with the code 2/)
    assert.throws(() => parseReady('ready 4096 8388608 14 0 1'), /14 protection keys are left/)
    assert.throws(() => parseReady('ready 4096 8388608 0 0 2'), /did not start/)
    assert.throws(() => parseReady('ready 4096 8388608'), /did not start/)
    assert.throws(() => parseReady('conformance: setrlimit'), /did not start/)
  })

  test('can be read on Linux where all protection keys are used up', { skip }, async () => {
    const peer = await LinuxPeer.start(1, true)
    peer.close()
    assert.equal(peer.executeOnly, false)
  })
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
        [4, '1000-2000 r--p', '1000-2000 rw-p'],
        [4, '|0|0', '|1|0'],
        [4, '|0|0', '|0|1'],
      ]
      for (const [step, from, to] of changes) {
        assert.ok(theirs![step]!.includes(from), `step ${step}: ${theirs![step]}`)
        const changed = theirs!.with(step, theirs![step]!.replace(from, to))
        assert.equal(judge(steps, changed, ours).step, step)
      }
      assert.equal(judge(steps, theirs!.slice(0, 3), ours).step, 3)
    })
  })

  const family: readonly Step[] = [
    ['mmap', 0, 2 * PAGE, 3, 1, 0, 0],
    ['mmap', 2 * PAGE, PAGE, 3, 33, 0, 0],
    ['mmap', 3 * PAGE, PAGE, 3, 1, 0, 0],
    ['madvise', PAGE, PAGE, 10],
    ['madvise', 3 * PAGE, PAGE, 18],
    ['fill', 0, 4 * PAGE, 7],
    ['fork', 1],
    ['load', 0, 1],
    ['load', PAGE, 1],
    ['store', 0, 1, 1],
    ['store', 2 * PAGE, 1, 2],
    ['thread', 2],
    ['store', 3 * PAGE, 1, 3],
    ['fork', 0],
    ['switch', 0],
    ['load', 0, 1],
    ['load', 2 * PAGE, 1],
    ['store', 0, 1, 4],
    ['switch', 2],
    ['load', 0, 1],
    ['exit'],
    ['load', 0, 1],
  ]

  test('of processes and threads: what a child inherits, what it shares, what it has for itself', async () => {
    await withPeer(3, async (peer) => {
      const [theirs] = await peer.run([family])
      const subject = new Subject('per-vma-lock-2023', peer)
      const ours = subject.run(family)
      assert.deepEqual(ours, theirs)
      const results = (index: number): string => ours[index]!.split('|')[0]!
      const inherited = [7, 8, 9, 10].map(results)
      assert.deepEqual(inherited, ['7 0', 'SEGV_MAPERR@1000 0', '0 1', '0 1'])
      // The parent has what it had, but for the shared page.
      assert.deepEqual([15, 16, 17].map(results), ['7 0', '2 0', '0 1'])
      // The grandchild has what the child had, and its parent goes on after it.
      assert.deepEqual([results(13), results(19), results(21)], ['2', '1 0', '1 0'])
      assert.equal(ours.length, family.length + 2)
      const held = [...new Set(ours.slice(-2).map((line) => line.split('|')[2]))]
      assert.equal(held.length, 2)
      subject.close()
    })
  })

  test('pages that two threads write at the same time lose nothing', async () => {
    await withPeer(2, async (peer) => {
      for (const design of names) {
        const subject = new Subject(design, peer)
        for (const kind of [0, 1, 2, 3]) {
          const both: readonly Step[] = [
            ['together', PAGE, 8, kind, 3, 9],
            ['load', 2 * PAGE - 4, 4],
          ]
          const [theirs] = await peer.run([both])
          assert.deepEqual(subject.run(both), theirs)
          // Behind what the file held.
          if (kind < 2) assert.match(theirs![1]!, /^48 /)
        }
        subject.close()
      }
    })
  })

  test('finds one sequence in many and shrinks it', async () => {
    await withPeer(1, async (real) => {
      // A kernel that loses what is stored to the second page of the arena.
      const faulty: Peer = {
        heapStart: real.heapStart,
        threads: real.threads,
        memlockMost: real.memlockMost,
        executeOnly: real.executeOnly,
        forbidsZeroPage: real.forbidsZeroPage,
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

  test('counts no fault on the stack of an instruction, however far the instruction looks', async () => {
    await withPeer(1, async (peer) => {
      // enter, ret and retf with the number 0xf000.
      const far = [0xc8, 0xc2, 0xca].map((code): readonly Step[] => [
        ['mmap', 0, PAGE, 7, 1, 0, 0],
        ['store', 0, 4, 0xf00000 | code],
        ['execute', 0],
      ])
      for (const answer of await peer.run(far)) assert.match(answer[2]!, /^0 0\|/)
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

  const wrong = {
    '--sequences 0': /^--sequences must be a whole number from 1 to/,
    '--sequences many': /^--sequences must be a whole number from 1 to .*, not 'many'$/,
    '--calls 501': /^--calls must be a whole number from 1 to 500/,
    '--threads 5': /^--threads must be a whole number from 1 to 4/,
    '--seed -1': /seed/,
    '--design none': /^--design none: there is classic, /,
    '--colour': /--colour/,
    stray: /stray/,
  }

  for (const [call, message] of Object.entries(wrong)) {
    test(`refuses a wrong call: ${call}`, () => {
      assert.throws(() => readArguments(call.split(' ')), { name: 'WrongCall', message })
    })
  }

  test('refuses one with exit code 2, and says why', () => {
    const { status, stdout, stderr } = run('--calls', '501')
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, /^conformance: --calls must be .*\n$/)
  })

  test('says what agreed, and the same of the same seed', { skip }, () => {
    const [first, second] = [1, 2].map(() => run('--sequences', '20', '--seed', '7', '--design', 'classic'))
    assert.equal(first!.status, 0, first!.stdout)
    assert.match(first!.stdout, /^20 sequences of [\d,]+ steps, seed 7, 1 designs, Linux [^]*all agree\n$/)
    // Where one form of Linux cannot be held, that is told.
    const forms = first!.stdout.match(/protection keys( used up)?, zero page( forbidden)?: [\d.]+ s/g)!.length
    assert.equal(forms === 1, first!.stdout.includes('\nnot held: memory that can only be executed'))
    assert.equal(first!.stdout.split(' steps')[0], second!.stdout.split(' steps')[0])
  })

  test('says that it skips where there is no compiler', { skip: process.platform !== 'linux' }, () => {
    const environment = { ...process.env, CC: 'no-such-compiler' }
    const { status, stdout } = spawnSync(process.execPath, [main], { encoding: 'utf8', env: environment })
    assert.equal(status, 0)
    assert.match(stdout, /^conformance: skipped: /)
  })
})

// Which kernel a recording is of: what is known, and from what.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isExact,
  KernelEvidence,
  memoryWarnings,
  type RecordedKernel,
} from '../../src/trace/recorded-kernel.ts'

function judge(
  lines: readonly string[],
  faults: number,
  lockedFaults: number,
  hasLocks = true,
): RecordedKernel {
  const evidence = new KernelEvidence()
  for (const line of lines) evidence.read(line)
  return evidence.judge({ faults, lockedFaults }, hasLocks)
}

const OURS = '# faultline: kernel '

test('what is known of the recorded kernel, and what is assumed', () => {
  const cases: readonly (readonly [readonly string[], number, number, boolean, string, boolean, RegExp])[] = [
    [
      [`${OURS}6.18.44-fc`],
      1000,
      20,
      true,
      'per-vma-refcount-2025',
      true,
      /6\.18\.44-fc, and because 980 of 1,000/,
    ],
    [
      ['# os release : 6.5.0-14-generic'],
      1000,
      300,
      true,
      'per-vma-lock-2023',
      true,
      /^known from its release/,
    ],
    [[`${OURS}6.8.0`], 1000, 20, true, 'per-vma-refcount-2025', true, /^known from/],
    [[`${OURS}5.15.0`], 1000, 990, true, 'classic', true, /per-VMA locks came with 6\.4/],
    [
      [`${OURS}6.12.0`, '# faultline: CONFIG_PER_VMA_LOCK n'],
      1000,
      990,
      true,
      'classic',
      true,
      /without CONFIG/,
    ],
    [
      [`${OURS}6.12.0`, '# faultline: CONFIG_PER_VMA_LOCK y'],
      0,
      0,
      false,
      'per-vma-refcount-2025',
      true,
      /^known/,
    ],
    [
      [`${OURS}6.18.0`, '# faultline: CONFIG_PER_VMA_LOCK y'],
      383,
      273,
      true,
      'per-vma-refcount-2025',
      true,
      /^known from its release.*CONFIG_PER_VMA_LOCK.*110 of 383 faults/,
    ],
    [[`${OURS}6.12.0`], 0, 0, false, 'per-vma-refcount-2025', false, /^assumed because of its release/],
    [
      [],
      1000,
      20,
      true,
      'per-vma-refcount-2025',
      false,
      /^assumed because 980 of 1,000 .* release is not recorded/,
    ],
    [[], 1000, 990, true, 'classic', false, /^assumed because 990 of 1,000/],
    [[], 1000, 0, false, 'classic', false, /^assumed because neither/],
  ]
  for (const [lines, faults, locked, hasLocks, design, isKnown, evidence] of cases) {
    const kernel = judge(lines, faults, locked, hasLocks)
    assert.deepEqual([kernel.design, kernel.isKnown], [design, isKnown], lines.join())
    assert.match(kernel.evidence, evidence)
  }
})

test('a form that a release has not, but is nearest to it, is no exact one', () => {
  assert.ok(isExact(judge([`${OURS}6.18.0`], 1000, 20)))
  assert.ok(!isExact(judge([`${OURS}6.8.0`], 1000, 20)))
  assert.ok(!isExact(judge([], 1000, 20)))
})

test('what the kernel counted, and its huge pages, are told', () => {
  const kernel = judge(
    [`${OURS}6.18.0`, '# faultline: vma_lock_success 1234', '# faultline: transparent_hugepage always'],
    1000,
    20,
  )
  assert.match(kernel.evidence, /counted 1234 vma_lock_success/)
  assert.equal(kernel.hugePages, 'always')
})

test('huge pages and memory that was short are told with what they mean', () => {
  const counted = (...lines: readonly string[]): readonly string[] =>
    memoryWarnings(
      judge(
        lines.map((line) => `# faultline: ${line}`),
        1000,
        20,
      ),
      0,
      false,
    )
  assert.deepEqual(counted('thp_fault_alloc 0', 'pgmajfault 3'), [])
  const [huge, short] = counted(
    'thp_fault_alloc 640',
    'thp_collapse_alloc 5',
    'thp_split_pmd 8',
    'pgmajfault 5700',
  )
  assert.match(
    huge!,
    /brought in 640 by a fault each, merged small pages into 5, and split 8;.*a replay has only small pages/,
  )
  assert.match(short!, /read from files or swap for 5,700 faults/)
  assert.match(memoryWarnings(judge([], 1000, 20), 2, false)[0]!, /asked for them \(MADV_HUGEPAGE, 2 times\)/)
})

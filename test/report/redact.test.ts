// Reports without names: nothing of them is left, one name has one number everywhere, and what is no name stays.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redactor } from '../../src/report/index.ts'
import type { WaitNode } from '../../src/trace/index.ts'
import { contentOf } from './html/large-trace.ts'
import { harmed } from './replay-objects.ts'

const SECRETS = /secret|worker|7f0000|7ffc000/

function namesIn(node: WaitNode): string[] {
  return [node.name, ...node.children.flatMap(namesIn)]
}

/** A stack of one frame each. */
function stackOf(...frames: readonly string[]): WaitNode {
  const [name, ...rest] = frames
  return { name: name!, ns: 10, waits: 1, children: rest.length === 0 ? [] : [stackOf(...rest)] }
}

test('what a recording names is numbered, in sums, lists, trees and lanes alike', async () => {
  const { trace, detail } = await contentOf({
    threads: 3,
    events: 600,
    comms: ['secret: one', 'kept by (2)', 'worker'],
  })
  const byStack = stackOf('all waits', 'secret (100)', 'main', '[libsecret.so]', 'down_read_[k]', '[unknown]')
  const owner = { process: 'secret', pid: 5 }
  const holders = trace.locks.holders.map((one) => ({ ...one, process: 'secret', owner }))
  const matrix = [{ owner: 'secret', heldBy: 'access (secret (x))', waitedBy: 'mmap', waits: 1, waitedNs: 1 }]
  const named = {
    ...trace,
    path: '/home/secret/a.perf.txt',
    program: 'secret',
    locks: { ...trace.locks, holders, matrix },
  }
  const redactor = new Redactor()
  const [report, shown] = [
    redactor.trace(named),
    redactor.detail({ ...detail!, waits: { ...detail!.waits, byStack } }),
  ]
  assert.doesNotMatch(JSON.stringify([report, shown]), SECRETS)
  assert.deepEqual(namesIn(shown.waits.byStack!).slice(1), [
    `${report.program} (100)`,
    'function-1',
    '[file-2]',
    'down_read_[k]',
    '[unknown]',
  ])
  // The thread of a lane is the one of the tree.
  const comms = new Set(shown.lanes.map(({ comm }) => comm))
  const inTree = shown.waits.byCall.children.flatMap(({ children }) => children.map(({ name }) => name))
  assert.ok(inTree.length > 0 && inTree.every((name) => comms.has(name)), inTree.join())
  const kept = namesIn(shown.waits.byCall).filter((name) => name.startsWith('kept by '))
  assert.ok(kept.length > 0 && kept.every((name) => /^kept by program-\d+: mmap$/.test(name)), kept.join())
  // What is counted is as it was, and so is how long a mapping is.
  assert.deepEqual(report.linux, trace.linux)
  const lengths = (mappings: typeof shown.mappings): number[] =>
    mappings.map(({ firstPage, lastPage }) => lastPage - firstPage)
  assert.deepEqual(lengths(shown.mappings), lengths(detail!.mappings))
  assert.ok(shown.mappings.some(({ name }) => name === 'anonymous memory'))
})

test('addresses of a replay are numbered by page, and the place in the page stays', () => {
  const design = harmed.designs[0]!
  const faults = ['0x7f0000000123', '0x7f0000000456', '0x7f0000001000'].map((address) => ({
    line: 1,
    tid: 1,
    kind: 'noFault' as const,
    address,
  }))
  const report = { ...harmed, designs: [{ ...design, fidelity: { ...design.fidelity, faults } }] }
  const [shown] = new Redactor().replay(report).designs
  assert.deepEqual(
    shown!.fidelity.faults.map(({ address }) => address),
    ['0x1123', '0x1456', '0x2000'],
  )
})

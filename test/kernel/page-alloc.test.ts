import assert from 'node:assert/strict'
import { test } from 'node:test'
import { framesFree, kernelEnter, kernelExit } from '../../src/kernel/index.ts'
import { allocFrame, freeFrame } from '../../src/kernel/memory/page-alloc.ts'
import { testMachine } from './harness.ts'

test('a CPU gets the frames that others keep in front of the empty zone', () => {
  const frames = 512
  const { tasks } = testMachine({ cpus: 4, frames })
  for (const task of tasks.slice(1)) {
    kernelEnter(task)
    const taken = Array.from({ length: 20 }, () => allocFrame(task))
    assert.ok(!taken.includes(0))
    for (const frame of taken) freeFrame(task, frame)
    kernelExit(task)
  }
  const [task] = tasks
  kernelEnter(task!)
  const taken = new Set<number>()
  for (let frame = allocFrame(task!); frame !== 0; frame = allocFrame(task!)) taken.add(frame)
  // All but the zero page, each once.
  assert.equal(taken.size, frames - 1)
  for (const frame of taken) freeFrame(task!, frame)
  kernelExit(task!)
  // The others find their lists empty and sound.
  for (const other of tasks.slice(1)) {
    kernelEnter(other)
    const frame = allocFrame(other)
    assert.notEqual(frame, 0)
    freeFrame(other, frame)
    kernelExit(other)
  }
})

test('a CPU that is inside with interrupts disabled does not take from others', () => {
  const { tasks } = testMachine({ cpus: 2, frames: 256 })
  const [first, second] = tasks
  kernelEnter(second!)
  freeFrame(second!, allocFrame(second!))
  kernelExit(second!)
  kernelEnter(first!)
  first!.interruptsEnabled = false
  let count = 0
  const taken: number[] = []
  for (let frame = allocFrame(first!); frame !== 0; frame = allocFrame(first!)) taken[count++] = frame
  assert.ok(count < 255)
  first!.interruptsEnabled = true
  assert.notEqual(allocFrame(first!), 0)
  kernelExit(first!)
})

test('a CPU takes frames of its node as long as there are some, and gives each back to its own', () => {
  const frames = 512
  const { heap, tasks } = testMachine({ cpus: 2, frames, nodes: { count: 2, ofCpu: [0, 1] } })
  const nodeOf = (frame: number): number => Math.floor(frame / (frames / 2))
  const [first, second] = tasks
  kernelEnter(first!)
  const taken: number[] = []
  for (let frame = allocFrame(first!); frame !== 0; frame = allocFrame(first!)) taken.push(frame)
  // All but the zero page: those of its node, and when there are no more those of the other.
  assert.equal(new Set(taken).size, frames - 1)
  assert.deepEqual(
    taken.map(nodeOf),
    taken.map((_, index) => (index < frames / 2 - 1 ? 0 : 1)),
  )
  for (const frame of taken) freeFrame(first!, frame)
  assert.equal(framesFree(heap), frames - 1)
  kernelExit(first!)
  kernelEnter(second!)
  const other = Array.from({ length: 20 }, () => allocFrame(second!))
  assert.deepEqual(new Set(other.map(nodeOf)), new Set([1]))
  kernelExit(second!)
})

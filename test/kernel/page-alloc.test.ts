import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kernelEnter, kernelExit } from '../../src/kernel/index.ts'
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

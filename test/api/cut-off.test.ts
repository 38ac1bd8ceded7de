// Scripts that the host cuts off wherever they are: an exception goes through the kernel that none of its handlers
// sees.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { CpuLostError, Machine, fileSystem } from '../../src/memory.ts'
import { PerCpu } from '../../src/kernel/index.ts'
import {
  type CutOffData,
  GOES_ON,
  IS_LOST,
  LAST_OUTCOME,
  OUTCOME,
  READY,
  RELEASED,
  TOLD,
  tell,
} from './cut-off-worker.ts'

const PAGE = 4096
const TIMES = 30

/** Cuts the script off after a few milliseconds, and says what a call and an access are then. */
function afterCuttingOff(script: string, milliseconds: number): string {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const base = space.mmap(16 * PAGE, { populate: true })
  const timeout = { code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' }
  assert.throws(
    () => runInContext(script, createContext({ space, base }), { timeout: milliseconds }),
    timeout,
  )
  try {
    space.writeUint32(base, 1)
    space.munmap(space.mmap(PAGE), PAGE)
    return 'goes on'
  } catch (error) {
    assert.ok(error instanceof CpuLostError, String(error))
    return 'is lost'
  } finally {
    machine.detach({ discard: true })
  }
}

function outcomes(script: string): Set<string> {
  return new Set(Array.from({ length: TIMES }, (_, index) => afterCuttingOff(script, 2 + index)))
}

test('a script that is cut off in accesses that need no fault costs nothing', () => {
  assert.deepEqual([...outcomes('for (;;) space.readUint32(base)')], ['goes on'])
  assert.deepEqual([...outcomes('for (;;) space.writeUint32(base + 8, 1)')], ['goes on'])
})

test('one that is cut off in calls and faults costs the machine at most, and the thread is told', () => {
  outcomes('for (;;) space.munmap(space.mmap(65536), 65536)')
  outcomes("for (;;) { space.writeUint32(base, 1); space.madvise(base, 4096, 'dontneed') }")
})

/** Long enough for a script of one call to come to its sleep, in milliseconds, which has no end of its own. */
const IN_ITS_SLEEP = 100

/** Has the script cut off while it sleeps in the kernel, which must not end before. */
function cutOffAsleep({ task }: Machine, script: string, context: object): void {
  const timeout = { code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' }
  assert.throws(() => runInContext(script, createContext(context), { timeout: IN_ITS_SLEEP }), timeout)
  assert.equal(Atomics.load(task.heap, task.base + PerCpu.asleep), 1, 'asleep in the kernel')
}

async function withFile(
  role: CutOffData['role'],
  body: (setting: {
    machine: Machine
    file: ReturnType<Machine['openFile']>
    control: Int32Array
    until: (index: number) => number
  }) => void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-cut-off-'))
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(2 * PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 2 })
  const file = machine.openFile(path, { mode: 'r+' })
  const control = new Int32Array(new SharedArrayBuffer(32))
  const workerData: CutOffData = { role, file: file.handle, control }
  const worker = new Worker(new URL('./cut-off-worker.ts', import.meta.url), { workerData })
  const exited = once(worker, 'exit')
  // The worker can be started and waited for without the events of this thread.
  const until = (index: number): number => {
    Atomics.wait(control, index, 0)
    return Atomics.load(control, index)
  }
  try {
    body({ machine, file, control, until })
  } finally {
    tell(control, RELEASED, 1)
    tell(control, TOLD, 1)
    machine.detach({ discard: true })
    await exited
    rmSync(folder, { recursive: true })
  }
}

test('one that is cut off as it sleeps for a lock holds nobody up until it comes back; then the machine is lost', async () => {
  await withFile('holder', ({ machine, file, control, until }) => {
    until(READY)
    cutOffAsleep(machine, 'file.truncate(0)', { file })
    tell(control, RELEASED, 1)
    assert.equal(until(OUTCOME), GOES_ON, 'who has the lock')
    assert.throws(() => file.truncate(0), CpuLostError)
    tell(control, TOLD, 1)
    assert.equal(until(LAST_OUTCOME), IS_LOST)
  })
})

test('one that is cut off in an operation of its storage too, and who waits for its lock is told', async () => {
  await withFile('waiter', ({ machine, file, control, until }) => {
    const never = new Int32Array(new SharedArrayBuffer(4))
    until(READY)
    machine.setStorage({ ...fileSystem, truncate: () => void Atomics.wait(never, 0, 0) })
    cutOffAsleep(machine, 'file.truncate(0)', { file })
    assert.throws(() => file.truncate(0), CpuLostError)
    const outcome = until(OUTCOME)
    assert.ok(outcome === IS_LOST || outcome === GOES_ON)
    tell(control, TOLD, 1)
    assert.equal(until(LAST_OUTCOME), IS_LOST)
  })
})

// Scripts that the host cuts off wherever they are: an exception goes through the kernel that none of its handlers
// sees.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { CpuLostError, Machine } from '../../src/index.ts'

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

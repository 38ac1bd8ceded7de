// What a machine says of the kernel that was measured on it, and what of a description is refused.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MachineRefused, rwsemsOf } from '../../src/simulate/machine.ts'
import { checkMachine, findMachine, publishedRows } from '../../src/simulate/index.ts'

describe('the semaphore of a machine', () => {
  it('stands for those of the designs, unless others are asked for', () => {
    assert.deepEqual(rwsemsOf(findMachine('pixel-6')!, 'year'), ['reader-spinning'])
    assert.deepEqual(rwsemsOf(findMachine('pixel-6')!, ['xadd']), ['xadd'])
    assert.equal(rwsemsOf(findMachine('rome-2s')!, 'year'), 'year')
  })

  it('is that of its published rows, which are compared with nothing else', () => {
    const rows = publishedRows.filter(({ machine }) => machine === 'pixel-6')
    assert.equal(rows.length, 8)
    for (const { rwsem } of rows) assert.equal(rwsem, findMachine('pixel-6')!.rwsem)
  })

  it('is one that there is', () => {
    assert.throws(
      () => checkMachine({ ...findMachine('pixel-6')!, rwsem: 'spin' }, 'mine.mjs'),
      (error) => error instanceof MachineRefused && error.message === 'mine.mjs: there is no rwsem spin',
    )
  })
})

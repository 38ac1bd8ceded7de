// Which files are the kernel's, wherever the project lies and whatever form it has there.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { kernelPath } from '../../src/check/kernel-path.ts'

describe('a file is of the kernel', () => {
  for (const [file, expected] of [
    ['/home/me/faultline/src/kernel/tables/zap.ts', 'tables/zap.ts'],
    ['/home/me/app/node_modules/faultline/src/kernel/tables/zap.ts', 'tables/zap.ts'],
    ['C:\\work\\src\\kernel\\memory\\slab.ts', 'memory/slab.ts'],
    ['src/kernel/memory/slab.ts', 'memory/slab.ts'],
    ['/src/kernel/dist/src/kernel/memory/slab.ts', 'memory/slab.ts'],
    ['/home/me/kernel/faultline/src/check/kernel-scenario.ts', null],
    ['/usr/src/kernel/faultline/src/check/kernel-scenario.ts', null],
    ['/usr/src/kernel/node_modules/faultline/dist/check/kernel-scenario.js', null],
    ['/home/me/src/kernels/zap.ts', null],
  ] as const) {
    it(`${file}: ${expected === null ? 'no' : 'yes'}`, () => {
      assert.equal(kernelPath(file), expected)
    })
  }
})

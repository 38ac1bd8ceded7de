// A program that is no test. What it prints once more, as its check is looked for, must not keep it from ending.

import { check } from 'faultline/check'

console.log('before the check')
process.stderr.write('also\n', () => {})
const cells = () => new Int32Array(new SharedArrayBuffer(4))
const add = (counters) => void Atomics.add(counters, 0, 1)
const { verdict } = await check({ setup: cells, threads: [add, add], invariant: ([count]) => count === 2 })
console.log(verdict)

const assert = require('node:assert/strict')
const pino = require('pino')

const lines = []
const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(line) })
log.info('hello')
log.child({ a: 1 }).warn('there')
assert.deepEqual(lines, ['{"level":30,"msg":"hello"}\n', '{"level":40,"a":1,"msg":"there"}\n'])

import assert from 'node:assert/strict'
import { ConstantBackoff, bulkhead, handleAll, retry } from 'cockatiel'

let tries = 0
const policy = retry(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(1) })
const value = await policy.execute(async () => {
  if (++tries < 2) throw new Error('not yet')
  return tries
})
assert.equal(value, 2)
const limited = bulkhead(1, 1)
let inside = 0
const task = async () => {
  assert.equal(++inside, 1)
  await Promise.resolve()
  inside--
}
await Promise.all([limited.execute(task), limited.execute(task)])

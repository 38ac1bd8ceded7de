import assert from 'node:assert/strict'
import CircuitBreaker from 'opossum'

const breaker = new CircuitBreaker(async (n) => n + 1, { timeout: 100, rollingCountTimeout: 10 })
assert.equal(await breaker.fire(1), 2)
breaker.shutdown()

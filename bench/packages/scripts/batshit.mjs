import assert from 'node:assert/strict'
import { create, keyResolver, windowScheduler } from '@yornaath/batshit'

const asked = []
const users = create({
  fetcher: async (ids) => {
    asked.push(ids)
    return ids.map((id) => ({ id, name: `user ${id}` }))
  },
  resolver: keyResolver('id'),
  scheduler: windowScheduler(10),
})
const [one, two] = await Promise.all([users.fetch(1), users.fetch(2)])
assert.deepEqual([one.name, two.name, asked], ['user 1', 'user 2', [[1, 2]]])

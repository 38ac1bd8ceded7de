import assert from 'node:assert/strict'
import DataLoader from 'dataloader'

const batches = []
const loader = new DataLoader(async (keys) => {
  batches.push([...keys])
  return keys.map((key) => key * 2)
})
assert.deepEqual(await Promise.all([loader.load(1), loader.load(2), loader.load(1)]), [2, 4, 2])
assert.deepEqual(batches, [[1, 2]])

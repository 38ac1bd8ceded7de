const { setTimeout } = require('node:timers/promises')
const { withLock } = require('superlock')

const lock = withLock()
let inside = 0
const task = (n) =>
  lock(async () => {
    if (++inside > 1) throw new Error('two are inside')
    await setTimeout(n)
    inside--
    return n
  })
Promise.all([3, 1, 2].map(task)).then((all) => {
  if (all.join() !== '3,1,2') throw new Error(all.join())
})

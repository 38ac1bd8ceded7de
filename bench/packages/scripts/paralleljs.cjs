const Parallel = require('paralleljs')

new Parallel([1, 2])
  .map((n) => n * 2)
  .then((doubled) => {
    if (doubled.join() !== '2,4') throw new Error(doubled.join())
  })

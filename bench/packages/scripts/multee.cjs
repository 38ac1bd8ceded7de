const start = require('./multee-worker.cjs')

const { answer, worker } = start()
answer().then((found) => {
  if (found !== 42) throw new Error(String(found))
  return worker.terminate()
})

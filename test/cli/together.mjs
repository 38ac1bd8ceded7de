// Makes many calls of the command in one process, each as if it were alone: its main module runs anew for each, with
// all that it imports loaded once, which is most of what it costs to start one. Gets each call as a message, and
// answers with what came of it.

import { pathToFileURL } from 'node:url'

const [, , command] = process.argv
const address = pathToFileURL(command).href
for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0)
process.setMaxListeners(0)
// A call that ends its process ends here by itself.
process.exit = /** @type {typeof process.exit} */ (() => {})

let calls = 0
let last = Promise.resolve()
process.on('message', (/** @type {string[]} */ values) => {
  last = last.then(() => call(values))
})

/** @param {string[]} values */
async function call(values) {
  const said = { stdout: '', stderr: '' }
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    process[name].write = (chunk, ...rest) => {
      said[name] += chunk
      const written = rest.at(-1)
      if (typeof written === 'function') written()
      return true
    }
  }
  process.argv = [process.execPath, command, ...values]
  process.exitCode = 0
  calls += 1
  await import(`${address}?call=${calls}`)
  process.send?.({ code: Number(process.exitCode), ...said })
  process.exitCode = 0
}

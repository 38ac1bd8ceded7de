// Makes many calls of the command in one process, each as if it were alone: its main module runs anew for each, with
// all that it imports loaded once. For calls that are refused, which are many and end before anything is done.
// Reads the calls as JSON from standard input, and prints what came of each.

import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'

const [, , command] = process.argv
const calls = JSON.parse(await text(process.stdin))
const outcomes = []
for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0)
process.setMaxListeners(0)
const write = process.stdout.write.bind(process.stdout)
for (const [number, values] of calls.entries()) {
  const said = { stdout: '', stderr: '' }
  for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
    process[name].write = (chunk) => {
      said[name] += chunk
      return true
    }
  }
  process.argv = [process.execPath, command, ...values]
  process.exitCode = 0
  await import(`${pathToFileURL(command).href}?call=${number}`)
  outcomes.push({ code: Number(process.exitCode), ...said })
}
process.exitCode = 0
write(JSON.stringify(outcomes))

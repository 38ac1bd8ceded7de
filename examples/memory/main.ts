// All programs of this folder, one after the other: `npm run bench:programs`, with
//
//   --rounds N (5)    --small    NAME…: those alone
//
// Exit code 0: all sides have computed the same; 1: not; 2: a wrong call.

import { spawnSync } from 'node:child_process'
import os from 'node:os'
import { fileURLToPath } from 'node:url'

const programs = ['hash-table', 'live-snapshot', 'larger-than-memory', 'durable-log', 'text-index']

const args = process.argv.slice(2)
const named = args.filter((argument) => programs.includes(argument))
const options = args.filter((argument) => !programs.includes(argument))
console.log(`${os.cpus()[0]?.model}, ${os.availableParallelism()} processors, Node ${process.version}`)
for (const program of named.length > 0 ? named : programs) {
  const file = fileURLToPath(new URL(`${program}.ts`, import.meta.url))
  const { status } = spawnSync(process.execPath, [...process.execArgv, file, ...options], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(options.length > 0 ? 2 : 1)
}

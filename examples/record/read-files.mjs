// Workers read a file of 1 MiB again and again:
// node read-files.mjs threads|processes|reused|reused-processes [WORKERS] [ROUNDS]
//
// threads and processes give each file a new buffer, as readFileSync does; the others read it into one buffer of
// each worker.
import { fork } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const SIZE = 1 << 20
const url = new URL(import.meta.url)

function readAgainAndAgain({ kind, rounds, file }) {
  const own = Buffer.alloc(SIZE)
  for (let round = 0; round < rounds; round++) {
    if (!kind.startsWith('reused')) readFileSync(file)
    else {
      const descriptor = openSync(file)
      readSync(descriptor, own)
      closeSync(descriptor)
    }
  }
}

if (!isMainThread) readAgainAndAgain(workerData)
else if (process.env.TASK) readAgainAndAgain(JSON.parse(process.env.TASK))
else {
  const [kind = 'threads', workers = '4', rounds = '60'] = process.argv.slice(2)
  const folder = mkdtempSync(join(tmpdir(), 'read-files-'))
  const task = { kind, rounds: Number(rounds), file: join(folder, 'input') }
  writeFileSync(task.file, Buffer.alloc(SIZE, 'x'))
  const begun = performance.now()
  const start = () =>
    kind.endsWith('processes')
      ? fork(url, { env: { ...process.env, TASK: JSON.stringify(task) } })
      : new Worker(url, { workerData: task })
  await Promise.all(
    Array.from({ length: Number(workers) }, () => new Promise((resolve) => start().on('exit', resolve))),
  )
  console.log(kind, Math.round(performance.now() - begun), 'ms')
  rmSync(folder, { recursive: true })
}

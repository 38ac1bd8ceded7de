// Ctrl-C and SIGTERM end every command at once, whatever it is at: the process dies of the signal, so that a shell
// reports 130 or 143.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { command as main } from '../built.ts'

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const spinning = pathOf('programs/says-that-it-spins.ts')
const tellsThreads = new URL('programs/says-when-threads-run.ts', import.meta.url).href
const trace = pathOf('../fixtures/traces/node-workers.perf.txt.gz')

const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

function start(args: readonly string[], environment: object = {}): ChildProcess {
  return spawn(process.execPath, [...args], { env: { ...process.env, TMPDIR: folder, ...environment } })
}

/** Waits until the process says something on its standard error that begins like that. */
async function untilSaid(child: ChildProcess, beginning: string): Promise<void> {
  let said = ''
  for await (const text of child.stderr!.setEncoding('utf8')) {
    said += text as string
    if (said.includes(beginning)) return
  }
  assert.fail(`the process ended, and said: ${said}`)
}

async function endedBy(child: ChildProcess, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  child.kill(signal)
  const [code, by] = (await once(child, 'exit')) as [number | null, string | null]
  assert.deepEqual([code, by], [null, signal])
}

describe('a signal ends', () => {
  for (const [place, signal] of [
    ['thread', 'SIGINT'],
    ['setup', 'SIGTERM'],
    ['module', 'SIGINT'],
  ] as const) {
    test(`a check whose ${place} is in a loop without end: ${signal}`, async () => {
      const child = start([main, 'check', spinning], { SPINS_IN: place })
      await untilSaid(child, 'spins')
      await endedBy(child, signal)
    })
  }

  for (const [signal, ...args] of [
    ['SIGINT', 'bench', 'mmap1', '--seconds', '60', '--threads', '1'],
    ['SIGTERM', 'replay', trace, '--design', 'classic', '--repeat', '1000'],
    ['SIGTERM', 'check', 'two-faults-munmap', '--workers', '2'],
  ] as const) {
    test(`${args[0]} with its threads at work: ${signal}`, async () => {
      const child = start(['--import', tellsThreads, main, ...args])
      await untilSaid(child, 'a thread runs')
      await endedBy(child, signal)
      assert.deepEqual(readdirSync(folder), [], 'what was put on disk is taken away')
    })
  }
})

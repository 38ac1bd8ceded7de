// Ctrl-C ends a recording, which is written; all else that ends it leaves nothing.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type FakeHost, fakeHost, LINE } from './fake-host.ts'

const program = fileURLToPath(new URL('recording-child.ts', import.meta.url))

/**
 * A perf that records until a signal comes, and says when it has begun; the probe ends at once. (KILL: the shell that
 * is about to become sleep may yet take note of any other signal, and forget it.)
 */
const UNTIL_SIGNAL = `
  if [ "$1" = true ]; then exit 0; fi
  trap 'kill -KILL $!; echo "${LINE}" > "$file"; exit 0' INT TERM
  sleep 600 &
  echo perf has begun >&2
  wait`

function start(host: FakeHost, ...overheadOn: readonly string[]): ChildProcess {
  const values = overheadOn.length > 0 ? overheadOn : ['true']
  return spawn(process.execPath, [program, JSON.stringify(host), ...values], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

/** Sends each signal when the process, or its perf, has said what stands beside it; resolves when all have ended. */
async function signalled(
  child: ChildProcess,
  ...steps: readonly (readonly [text: string, signal: 'SIGINT' | 'SIGTERM'])[]
): Promise<unknown[]> {
  let said = ''
  let step = 0
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said += text
    while (step < steps.length && said.includes(steps[step]![0])) child.kill(steps[step++]![1])
  })
  const ended = await once(child, 'close')
  assert.equal(step, steps.length, said)
  return ended
}

test('SIGINT ends the recording, and it is written', async () => {
  const host = fakeHost({ perf: { record: UNTIL_SIGNAL } })
  assert.deepEqual(await signalled(start(host), ['perf has begun', 'SIGINT']), [0, null])
  assert.deepEqual(readdirSync(host.work), ['out.txt'])
  assert.equal(readFileSync(join(host.work, 'out.txt'), 'utf8'), `${LINE}\n`)
})

test('SIGTERM ends perf, and nothing is written', async () => {
  const host = fakeHost({ perf: { record: UNTIL_SIGNAL } })
  assert.deepEqual(await signalled(start(host), ['perf has begun', 'SIGTERM']), [null, 'SIGTERM'])
  assert.deepEqual(readdirSync(host.work), [])
})

test('SIGTERM leaves nothing where perf goes on to make files as it ends', async () => {
  // There is much to remove, and it stops making more where there is no place for the next one.
  const more = 'while [ $n -lt 20000 ] && echo > "$file.$n"; do n=$((n + 1)); done'
  const writes = UNTIL_SIGNAL.replace("exit 0'", `${more}; exit 0'`).replace(
    'sleep 600 &',
    'n=0; while [ $n -lt 5000 ]; do echo > "$file.$n"; n=$((n + 1)); done; sleep 600 &',
  )
  const host = fakeHost({ perf: { record: writes } })
  assert.deepEqual(await signalled(start(host), ['perf has begun', 'SIGTERM']), [null, 'SIGTERM'])
  assert.deepEqual(readdirSync(host.work), [])
})

test('SIGINT while the recording is written ends that too, and nothing is left', async () => {
  const host = fakeHost({ perf: { record: UNTIL_SIGNAL, script: 'exec sleep 600' } })
  const steps = [
    ['perf has begun', 'SIGINT'],
    ['writing what was recorded', 'SIGINT'],
  ] as const
  assert.deepEqual(await signalled(start(host), ...steps), [null, 'SIGINT'])
  assert.deepEqual(readdirSync(host.work), [])
})

test('SIGINT once it is written ends what is measured then, and what was written stays', async () => {
  const host = fakeHost()
  const child = start(host, 'sh', '-c', 'exec sleep 600')
  assert.deepEqual(await signalled(child, ['measuring what recording itself takes', 'SIGINT']), [0, null])
  assert.equal(readFileSync(join(host.work, 'out.txt'), 'utf8'), `${LINE}\n`)
  assert.deepEqual(readdirSync(host.work), ['out.txt'])
})

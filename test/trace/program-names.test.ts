// What programs are called that were there before the recording.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationNs } from '../../src/trace/program-summaries.ts'
import { TraceText } from './trace-text.ts'

const A = 0x7f0000000000

/** A process to which perf attaches, with what it has mapped. */
async function nameOf(comm: string, ...files: readonly string[]): Promise<string> {
  const text = new TraceText()
  text.comm = comm
  text.lines.push(
    ...files.map(
      (file, at) =>
        `${comm.padStart(16)}     0/0     [000]     0.000000: PERF_RECORD_MMAP2 7/7: [0x${(0x400000 * (at + 1)).toString(16)}(0x1000) @ 0 fe:00 ${at + 1} 0]: ${file}`,
    ),
  )
  text.mmap(7, 7, A, 0x4000).fault(7, 7, A, 6)
  const trace = await text.import({ isReplayed: false })
  trace.close()
  assert.deepEqual(
    trace.programs.map(({ name }) => name),
    [trace.process.name],
  )
  return trace.process.name
}

test('the name of a first thread that every program of Node has gives way to that of its file', async () => {
  assert.equal(
    await nameOf('MainThread', 'r--p /usr/bin/node', 'r-xp /usr/bin/node', 'r-xp /usr/lib/libc.so.6'),
    'node',
  )
  assert.equal(await nameOf('MainThread', 'r-xp /opt/app (deleted)'), 'app (deleted)')
})

test('any other name is what the program wants to be called', async () => {
  assert.equal(await nameOf('gunicorn', 'r-xp /usr/bin/python3.11'), 'gunicorn')
  assert.equal(await nameOf('MainThread', 'r--p /usr/bin/node', 'r-xp [vdso]'), 'MainThread')
})

test('a recording may have more processes than a call has arguments', () => {
  const processes = Array.from({ length: 200_000 }, (_, at) => ({ firstNs: 5 + at, lastNs: 9 + at }))
  assert.equal(durationNs([{ firstNs: -1, lastNs: 1e9 }, ...processes]), 200_003)
  assert.equal(durationNs([]), 0)
})

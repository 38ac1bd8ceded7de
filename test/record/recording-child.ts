// Records on the machine that its first argument describes, as the command does, and dies of signals as it does. The
// others are the program that its own overhead is measured on.
import { join } from 'node:path'
import { cleanUpOnSignals } from '../../src/cli/signals.ts'
import { findMeans, Recorder } from '../../src/record/index.ts'
import type { FakeHost } from './fake-host.ts'

const host = JSON.parse(process.argv[2]!) as FakeHost
const recorder = new Recorder(host, findMeans(host), {
  target: { kind: 'all' },
  output: join(host.work, 'out.txt'),
  hasStacks: false,
  retries: 2,
  overheadOn: process.argv.slice(3),
  commandOutput: 2,
  onNotice: (text) => process.stderr.write(`${text}\n`),
})
cleanUpOnSignals(() => recorder.stop())
await recorder.record()

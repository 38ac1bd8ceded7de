import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import os from 'node:os'
import { test } from 'node:test'
import { workloads } from '../../src/workloads/catalogue.ts'
import { LinuxPeer, PeerError } from '../../src/workloads/linux-peer.ts'

const hasCompiler = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0
const skip = hasCompiler ? false : 'needs Linux and a C compiler'

const builtFolders = (): string[] => readdirSync(os.tmpdir()).filter((name) => name.startsWith('faultline-'))

test('the peer runs every workload, and one counted page is one fault', { skip }, async () => {
  const peer = await LinuxPeer.compile()
  try {
    for (const workload of workloads) {
      const bytesPerThread = 4 * 2 ** 20
      const setting = { workload, threads: 2, seconds: 0.05, warmupSeconds: 0, bytesPerThread, repetition: 1 }
      const run = await peer.run(setting)
      assert.equal(run.threads, 2)
      assert.ok(run.faults > 0 && run.seconds > 0.04, workload.name)
      assert.equal(run.faultsPerSecond, run.faults / run.seconds)
      assert.equal(run.writerCycles !== null, workload.writers > 0)
      if (workload.counts !== 'pages') {
        assert.equal(run.faultLatencyNs, null)
        if (workload.counts === 'accesses') assert.ok(run.faultsTaken > 0, workload.name)
        else assert.ok(run.faultsTaken < run.faults / 10, 'mmap1 touches nothing')
        continue
      }
      const latency = run.faultLatencyNs
      assert.ok(latency !== null && latency.samples > 0)
      assert.ok(0 < latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max)
      // The writer's faults are counted too; the counters are read one after the other.
      if (workload.writers === 0) assert.ok(Math.abs(run.faultsTaken / run.faults - 1) < 0.1, workload.name)
      else assert.ok(run.faultsTaken >= run.faults * 0.9)
    }
  } finally {
    peer.close()
  }
})

test('closing the peer removes what was built', { skip }, async () => {
  const before = builtFolders()
  const peer = await LinuxPeer.compile()
  const [folder] = builtFolders().filter((name) => !before.includes(name))
  assert.ok(folder !== undefined)
  peer.close()
  assert.equal(existsSync(`${os.tmpdir()}/${folder}`), false)
})

test(
  'without a compiler the error says what to install',
  { skip: process.platform !== 'linux' },
  async () => {
    await assert.rejects(LinuxPeer.compile('no-such-compiler'), (error: unknown) => {
      assert.ok(error instanceof PeerError)
      assert.match(error.message, /needs a C compiler, and 'no-such-compiler' cannot be run/)
      assert.match(error.remedy, /apt-get install gcc/)
      return true
    })
    await assert.rejects(LinuxPeer.compile('false'), /'false' cannot compile linux\.c/)
  },
)

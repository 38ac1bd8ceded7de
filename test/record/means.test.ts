// What is missing to record, and what is said of how to get it.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { findMeans, RecordError } from '../../src/record/index.ts'
import { recordedEvents } from '../../src/trace/errors.ts'
import { fakeHost } from './fake-host.ts'

const without = (system: string): string[] =>
  recordedEvents.filter((event) => !event.startsWith(`${system}:`))
const NO_CAPABILITY = '0000000000000000'

/** The error of a machine: what is wrong, and what helps. */
function refusal(...peculiarities: Parameters<typeof fakeHost>): RecordError {
  try {
    findMeans(fakeHost(...peculiarities))
  } catch (error) {
    assert.ok(error instanceof RecordError, String(error))
    return error
  }
  return assert.fail('it would be recorded')
}

describe('it cannot be recorded', () => {
  for (const [osRelease, remedy] of [
    ['PRETTY_NAME="Debian GNU/Linux"\nID=debian\n', /apt install linux-perf$/],
    ['ID=ubuntu\nID_LIKE=debian\n', /apt install linux-tools-\$\(uname -r\)$/],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', /dnf install perf$/],
    ["ID='opensuse-leap'\nID_LIKE='suse opensuse'\n", /zypper install perf$/],
    ['ID=alpine\n', /apk add perf$/],
    ['ID=arch\n', /pacman -S perf$/],
    ['ID=own\n', /the package of your distribution/],
  ] as const) {
    test(`without perf: ${osRelease.split('\n').join(' ')}`, () => {
      const error = refusal({ perf: null, osRelease })
      assert.match(error.message, /no perf on this machine/)
      assert.match(error.remedy, remedy)
    })
  }

  test('with a perf that is a wrapper of none', () => {
    const version = "printf 'WARNING: perf not found for kernel 6.8\\033[2J\\n' >&2; exit 2"
    const error = refusal({ perf: { version }, osRelease: 'ID=ubuntu\n' })
    assert.match(error.message, /does not run here \(WARNING: perf not found for kernel 6\.8 \[2J\)/)
    assert.match(error.remedy, /linux-tools-/)
  })

  test('by a user who may not', () => {
    const error = refusal({ capabilities: NO_CAPABILITY, user: 1000 })
    assert.match(error.message, /perf_event_paranoid is 2, and CAP_PERFMON is missing/)
    assert.match(error.remedy, /^put sudo .*kernel\.perf_event_paranoid=-1/)
  })

  test('in a container without the capability', () => {
    const container = { capabilities: '00000000a80425fb', isContainer: true }
    assert.match(refusal(container).remedy, /^record on the host.*--cap-add PERFMON/)
    assert.match(refusal({ ...container, user: 1000 }).remedy, /^try as root; otherwise record on the host/)
  })

  test('in a user namespace, whose root is none', () => {
    const inner = refusal({ files: { 'proc/self/uid_map': '         0       1000          1\n' } })
    assert.match(inner.message, /CAP_PERFMON is that of a user namespace/)
    assert.match(inner.remedy, /^record outside, as root/)
    const outer = { 'proc/self/uid_map': '         0          0 4294967295\n' }
    assert.deepEqual(findMeans(fakeHost({ files: outer })).warnings, [])
  })

  test('in a sandbox without perf events', () => {
    assert.match(refusal({ paranoid: null }).message, /no perf events/)
  })

  test('without tracefs', () => {
    const capabilities = '0000004000000000'
    const error = refusal({ events: null, user: 1000, capabilities })
    assert.match(error.message, /tracefs is not mounted/)
    assert.equal(error.remedy, 'mount it: sudo mount -t tracefs nodev /sys/kernel/tracing')
    assert.match(
      refusal({ events: null, isContainer: true, capabilities }).remedy,
      /-v \/sys\/kernel\/tracing/,
    )
    // Who may mount is told that, also in a container.
    for (const isContainer of [false, true])
      assert.equal(
        refusal({ events: null, isContainer }).remedy,
        'mount it: mount -t tracefs nodev /sys/kernel/tracing',
      )
  })

  test('under a kernel without tracepoints of system calls', () => {
    assert.match(refusal({ events: without('syscalls') }).remedy, /CONFIG_FTRACE_SYSCALLS/)
  })

  test('under a kernel with tracepoints neither of faults nor of the lock', () => {
    const events = recordedEvents.filter((event) => !/^(?:exceptions|mmap_lock):/.test(event))
    assert.match(refusal({ events }).remedy, /Linux 5\.11/)
  })

  test('on another system', () => {
    assert.match(refusal({ platform: 'darwin' }).message, /needs Linux, and this is darwin/)
  })
})

describe('it can be recorded', () => {
  test('with everything that a replay reads', () => {
    const { events, warnings, countsFaultsOnly } = findMeans(fakeHost())
    assert.deepEqual([events, warnings, countsFaultsOnly], [recordedEvents, [], false])
  })

  test('with the perf of another kernel, where the one in PATH wants that of this one', () => {
    const host = fakeHost({ perf: { version: 'exit 2' } })
    const perf = join(host.root, 'usr/lib/linux-tools/6.8.0-45-generic/perf')
    mkdirSync(dirname(perf), { recursive: true })
    writeFileSync(perf, '#!/bin/sh\n', { mode: 0o755 })
    assert.equal(findMeans(host).perf, perf)
  })

  test('by a user where everybody may', () => {
    assert.ok(findMeans(fakeHost({ capabilities: NO_CAPABILITY, user: 1000, paranoid: -1 })))
  })

  test('before Linux 5.11, without the events of the mmap lock', () => {
    const { events, warnings } = findMeans(fakeHost({ events: without('mmap_lock') }))
    assert.deepEqual(events, without('mmap_lock'))
    assert.match(warnings.join(), /no tracepoints of the mmap lock/)
  })

  test('where page faults have no tracepoint, with the event that tells their number', () => {
    const { events, warnings, countsFaultsOnly } = findMeans(fakeHost({ events: without('exceptions') }))
    assert.deepEqual([...events], [...without('exceptions'), 'page-faults'])
    assert.match(warnings.join(), /report reads the recording, replay cannot/)
    assert.ok(countsFaultsOnly)
  })

  test('and says which single tracepoints are missing', () => {
    const events = recordedEvents.filter((event) => event !== 'sched:sched_process_exec')
    assert.deepEqual(findMeans(fakeHost({ events })).warnings, [
      'this kernel has no tracepoint sched:sched_process_exec',
    ])
  })
})

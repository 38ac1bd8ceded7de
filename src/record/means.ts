// What there is to record with: perf, the permission, tracefs, and the tracepoints of this kernel.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { recordedEvents, sampleEvents } from '../trace/errors.ts'
import { complaintIn, RecordError } from './errors.ts'
import {
  CAP_PERFMON,
  CAP_SYS_ADMIN,
  findProgram,
  hasCapability,
  type Host,
  isInPidNamespace,
  isInUserNamespace,
  textOf,
} from './host.ts'
import { howToBeAllowed, howToInstallPerf, howToMount, howToRead } from './remedies.ts'

/** What records, and what it can record. */
export interface Means {
  /** Path of perf. */
  readonly perf: string
  readonly events: readonly string[]
  /** Faults are told by the software event `page-faults`, without error codes. */
  readonly countsFaultsOnly: boolean
  /** Events that sample the CPU; none where faults have no tracepoints. */
  readonly sampleEvents: readonly string[]
  /** Numbers of threads have to be told twice: see isInPidNamespace. */
  readonly isInPidNamespace: boolean
  /** What the recording will lack, and what that means; a sentence each. */
  readonly warnings: readonly string[]
}

/** The software event that every architecture has. */
const PAGE_FAULTS = 'page-faults'

/**
 * Finds out what can be recorded here, and changes nothing.
 * @throws RecordError where nothing can be
 */
export function findMeans(host: Host): Means {
  if (host.platform !== 'linux') {
    throw new RecordError(
      `recording needs Linux, and this is ${host.platform}`,
      'record on the Linux machine that the program runs on, and read the file here',
    )
  }
  const perf = findPerf(host)
  checkPermission(host)
  const folder = findTracefs(host)
  const present = recordedEvents.filter((event) => hasEvent(folder, event))
  return { perf, isInPidNamespace: isInPidNamespace(host), ...choose(present) }
}

/** perf as PATH has it, or else one of another kernel's version, which works as well. */
function findPerf(host: Host): string {
  const usual = findProgram(host, 'perf')
  let why = 'there is no perf on this machine'
  for (const perf of usual === null ? perfsOfUbuntu(host) : [usual, ...perfsOfUbuntu(host)]) {
    const { status, stderr, error } = spawnSync(perf, ['--version'], {
      encoding: 'utf8',
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    if (status === 0) return perf
    if (perf === usual)
      why = `${perf} does not run here (${error === undefined ? complaintIn(stderr) : error.message})`
  }
  throw new RecordError(why, howToInstallPerf(host))
}

/** Ubuntu's /usr/bin/perf refuses to run any but that of the running kernel, which may not be installed. */
function perfsOfUbuntu(host: Host): string[] {
  const folder = join(host.root, 'usr/lib/linux-tools')
  try {
    return readdirSync(folder).map((version) => join(folder, version, 'perf'))
  } catch {
    return []
  }
}

/** Tracepoints of all that a program does need CAP_PERFMON, or perf_event_paranoid below 0 (perf_event_open(2)). */
function checkPermission(host: Host): void {
  const paranoid = textOf(host, 'proc/sys/kernel/perf_event_paranoid')
  if (paranoid === null) {
    throw new RecordError(
      'this kernel has no perf events (there is no /proc/sys/kernel/perf_event_paranoid)',
      'record under a kernel with CONFIG_PERF_EVENTS; gVisor, for example, has none',
    )
  }
  if (Number(paranoid) < 0) return
  const isCapable = hasCapability(host, CAP_PERFMON) || hasCapability(host, CAP_SYS_ADMIN)
  if (isCapable && isInUserNamespace(host)) {
    throw new RecordError(
      `this user may not record tracepoints (perf_event_paranoid is ${Number(paranoid)}, and CAP_PERFMON is that of a user namespace)`,
      'record outside, as root, with the process number there (faultline record -p PID)',
    )
  }
  if (isCapable) return
  throw new RecordError(
    `this user may not record tracepoints (perf_event_paranoid is ${Number(paranoid)}, and CAP_PERFMON is missing)`,
    howToBeAllowed(host),
  )
}

const TRACEFS = ['sys/kernel/tracing', 'sys/kernel/debug/tracing']

/** The folder of the tracepoints. */
function findTracefs(host: Host): string {
  let isForbidden = false
  for (const place of TRACEFS) {
    const folder = join(host.root, place, 'events')
    try {
      readdirSync(folder)
      return folder
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // The folder of debugfs is closed to all but root where tracefs is not mounted, too.
      if (place === TRACEFS[0]) isForbidden = code === 'EACCES' || code === 'EPERM'
    }
  }
  throw isForbidden
    ? new RecordError('this user may not read tracefs (/sys/kernel/tracing)', howToRead(host))
    : new RecordError('tracefs is not mounted at /sys/kernel/tracing', howToMount(host))
}

function hasEvent(folder: string, event: string): boolean {
  try {
    accessSync(join(folder, event.replace(':', '/'), 'id'), constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** What to record of the tracepoints that are there, and what it means that others are not. */
function choose(present: readonly string[]): Omit<Means, 'perf' | 'isInPidNamespace'> {
  const has = (system: string): boolean => present.some((event) => event.startsWith(`${system}:`))
  if (!has('syscalls')) {
    throw new RecordError(
      'this kernel has no tracepoints of system calls',
      'record under a kernel with CONFIG_FTRACE_SYSCALLS, as distributions build it',
    )
  }
  const countsFaultsOnly = !has('exceptions')
  if (countsFaultsOnly && !has('mmap_lock')) {
    throw new RecordError(
      'this kernel has neither the tracepoints of page faults (exceptions) nor those of the mmap lock',
      'record on x86-64, or under Linux 5.11 or newer',
    )
  }
  const warnings = recordedEvents
    .filter((event) => !present.includes(event) && !/^(?:exceptions|mmap_lock):/.test(event))
    .map((event) => `this kernel has no tracepoint ${event}`)
  if (countsFaultsOnly) {
    warnings.push(
      'this kernel has no tracepoints of page faults (x86 kernels have), only the event page-faults, which does ' +
        'not show the kind of access: report reads the recording, replay cannot',
    )
  }
  if (!has('mmap_lock')) {
    warnings.push(
      'this kernel has no tracepoints of the mmap lock (Linux 5.11 and newer have): waits are not recorded',
    )
  }
  return {
    events: countsFaultsOnly ? [...present, PAGE_FAULTS] : present,
    countsFaultsOnly,
    sampleEvents: countsFaultsOnly ? [] : sampleEvents,
    warnings,
  }
}

// Who holds a lock, and whether they live: machines, processes and threads, as others on this host can see them.
//
// A process is known by its number and its start time, in the namespace of its number; a thread also by its own number
// and start time. Short-lived files in the lock folder have these in their names: a thread that finds one whose maker
// has died removes it.

import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { nativeThreadId } from './liveness.ts'

export interface Process {
  readonly pid: number
  /**
   * When the process began, by the clock of the system; '' if unknown. Together with the pid, it identifies a process.
   */
  readonly started: string
  /** The namespace of the pid; '' if there are none. */
  readonly namespace: string
}

/** A machine in a process. */
export interface MachineProcess extends Process {
  readonly machine: string
}

/** The name of the file that each thread of a machine has open, without its maker. */
export function presenceName(machine: string): string {
  // The number in a handle is not trusted: it must not lead out of the folder.
  return `machine-${machine.replaceAll(/[^\w-]/g, '_')}`
}

let identity: Process | null = null

export function thisProcess(): Process {
  const { pid } = process
  identity ??= hasProc()
    ? { pid, started: statusOf(pid)?.started ?? '', namespace: readlinkSync('/proc/self/ns/pid') }
    : { pid, started: '', namespace: '' }
  return identity
}

let procKnown: boolean | null = null

/** Whether /proc is there, and is that of this process's namespace. */
export function hasProc(): boolean {
  if (procKnown === null) {
    try {
      procKnown = readlinkSync('/proc/self') === String(process.pid)
    } catch {
      procKnown = false
    }
  }
  return procKnown
}

/** From /proc/PID/stat: whether the main thread of the process has ended, and when it began; or null. */
function statusOf(pid: number, task = ''): { ended: boolean; started: string } | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}${task}/stat`, 'utf8')
  } catch {
    return null
  }
  // Behind the name, which is in parentheses and may contain parentheses: the state is field 3, the start is field 22.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { ended: 'ZX'.includes(fields[0]!), started: fields[19]! }
}

/** Whether the machine may still write to the file. A process that cannot be examined counts as alive. */
export function isMachineAlive({ machine, pid, started, namespace }: MachineProcess): boolean {
  if (namespace !== thisProcess().namespace) return true
  if (!hasProc()) return isProcessAlive(pid)
  const status = statusOf(pid)
  if (status === null || status.started !== started) return false
  // Its other threads may still be running, with its descriptors open.
  if (status.ended) return hasTask(pid)
  return hasPresence(pid, machine)
}

// ---------------------------------------------------------------------------------------------------------------------
// Threads

/** This thread in a word: pid, thread, when each began, and the namespace; digits and hyphens. */
export function thisThread(): string {
  const { pid, started, namespace } = thisProcess()
  const thread = nativeThreadId()
  const begun = statusOf(pid, `/task/${thread}`)?.started ?? ''
  return [pid, started, thread, begun, namespace.replaceAll(/\D/g, '')].join('-')
}

const threadForm = /^(\d+)-(\d*)-(\d+)-(\d*)-(\d*)$/

/** False if that thread has ended; true if it lives or that is unknown, also for a text that names no thread. */
export function isMakerAlive(thread: string): boolean {
  const parts = threadForm.exec(thread)
  if (parts === null) return true
  const [, pid, started, task, begun, namespace] = parts as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  if (namespace !== thisProcess().namespace.replaceAll(/\D/g, '')) return true
  if (!hasProc()) return isProcessAlive(Number(pid))
  const status = statusOf(Number(pid))
  if (status?.started !== started) return false
  const own = task === '0' ? { ...status, started: begun } : statusOf(Number(pid), `/task/${task}`)
  return own?.started === begun && !own.ended
}

// ---------------------------------------------------------------------------------------------------------------------

function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: unknown }).code === 'EPERM'
  }
}

function hasTask(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).some((task) => statusOf(pid, `/task/${task}`)?.ended === false)
  } catch {
    return false
  }
}

function hasPresence(pid: number, machine: string): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some((descriptor) =>
      linkOf(`${folder}/${descriptor}`).includes(presenceName(machine)),
    )
  } catch (error) {
    // It has ended meanwhile; or it lives, but may not be examined.
    return (error as { code?: unknown }).code !== 'ENOENT'
  }
}

/** The target of a link; '' if there is no such link. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return ''
    throw error
  }
}

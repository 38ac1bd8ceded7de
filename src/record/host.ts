// What recording asks of the machine it runs on: where its files are, who asks, and what there is of memory.
//
// Principle: nothing else in this folder reads the environment, so that a test can be another machine.
import { accessSync, constants, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'

/** The machine that is to record. */
export interface Host {
  readonly platform: string
  /** The folder that /proc, /sys and /etc are in. */
  readonly root: string
  /** Folders to look for programs in, separated by colons. */
  readonly path: string
  readonly cpus: number
  /** Bytes of memory that can be had. */
  readonly freeMemory: number
  /** Effective user. */
  readonly user: number
  /** Who is to own what is written: the user who called sudo; null where it is the effective user. */
  readonly owner: { readonly user: number; readonly group: number } | null
}

/** The machine that this process runs on. */
export function thisHost(): Host {
  return {
    platform: process.platform,
    root: '/',
    path: process.env['PATH'] ?? '/usr/bin:/bin',
    cpus: os.cpus().length || 1,
    freeMemory: os.freemem(),
    user: process.geteuid?.() ?? 0,
    owner: callerOfSudo(),
  }
}

function callerOfSudo(): Host['owner'] {
  const user = Number.parseInt(process.env['SUDO_UID'] ?? '', 10)
  const group = Number.parseInt(process.env['SUDO_GID'] ?? '', 10)
  return process.geteuid?.() === 0 && user >= 0 && group >= 0 ? { user, group } : null
}

/** The text of a file of the host; null where it cannot be read. */
export function textOf(host: Host, path: string): string | null {
  try {
    return readFileSync(join(host.root, path), 'utf8')
  } catch {
    return null
  }
}

/** The names in a folder of the host; none where it cannot be read. */
export function namesIn(host: Host, path: string): string[] {
  try {
    return readdirSync(join(host.root, path))
  } catch {
    return []
  }
}

/** The PID namespace that a machine begins with (PROC_PID_INIT_INO of include/linux/proc_ns.h). */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]'

/** Whether processes have other numbers here than those that tracepoints tell, as in a container. */
export function isInPidNamespace(host: Host): boolean {
  try {
    return readlinkSync(join(host.root, 'proc/self/ns/pid')) !== FIRST_PID_NAMESPACE
  } catch {
    return false
  }
}

/** The path of a program, as a shell finds it; null where there is none that may be executed. */
export function findProgram(host: Host, name: string): string | null {
  const places = name.includes('/') ? [name] : host.path.split(':').map((folder) => join(folder || '.', name))
  return places.find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Whether rights are those of a user namespace, as in a container without root: the kernel asks perf for others. */
export function isInUserNamespace(host: Host): boolean {
  const map = textOf(host, 'proc/self/uid_map')
  return map !== null && !/^\s*0\s+0\s+4294967295\s*$/.test(map)
}

/** Numbers of capabilities (capability.h). */
export const CAP_IPC_LOCK = 14
export const CAP_SYS_ADMIN = 21
export const CAP_PERFMON = 38

/** Whether this process has a capability. */
export function hasCapability(host: Host, capability: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(textOf(host, 'proc/self/status') ?? '')
  if (effective === null) return false
  return Math.floor(Number.parseInt(effective[1]!, 16) / 2 ** capability) % 2 === 1
}

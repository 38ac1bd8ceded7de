// What values in the kernel's memory mean: entries of page tables, locks, states of CPUs, protections.

import {
  CPU_CLAIMED,
  CPU_ENTRY,
  CPU_FLUSH,
  CPU_INSIDE,
  CPU_INTERRUPT,
  CPU_STOP,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_EXEC,
  PTE_FRAME_SHIFT,
  PTE_PKEY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_WRITE,
  RWSEM_GENERIC,
  RWSEM_READER_SPINNING,
  RWSEM_SPINNING,
  SPINLOCK_QUEUED,
  SPINLOCK_TICKET,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_PKEY_FLAGS,
  VM_PKEY_SHIFT,
  VM_READ,
  VM_WRITE,
} from '../kernel/index.ts'

export function pteWords(entry: number): string {
  if (entry === 0) return '0'
  const has = (flag: number): boolean => (entry & flag) !== 0
  const access = has(PTE_PROTNONE)
    ? 'no access'
    : `${has(PTE_PRESENT) ? 'r' : '-'}${has(PTE_WRITE) ? 'w' : ''}${has(PTE_EXEC) ? 'x' : ''}`
  const marks = [
    ...(has(PTE_ACCESSED) ? ['accessed'] : []),
    ...(has(PTE_DIRTY) ? ['dirty'] : []),
    ...(has(PTE_SPECIAL) ? ['zero page'] : []),
    ...(has(PTE_PKEY) ? ['key'] : []),
  ]
  return [`frame ${entry >>> PTE_FRAME_SHIFT} ${access}`, ...marks].join(' ')
}

/** See sync/spinlock.ts: the holder's number plus 1, and in bit 0 whether somebody halts. */
export function lockWords(kind: number, value: number, cpus: number): string | undefined {
  if (kind === SPINLOCK_QUEUED) return queuedWords(value)
  if (kind === SPINLOCK_TICKET) return ticketWords(value)
  if (value === 0) return 'free'
  const holder = (value >> 1) - 1
  if (holder < 0 || holder >= cpus) return undefined
  return `held by CPU ${holder}${(value & 1) === 0 ? '' : ', awaited'}`
}

/** See sync/qspinlock.ts. */
function queuedWords(value: number): string {
  const holder = ((value >> 1) & 0x1ff) - 1
  const last = ((value >> 13) & 0x1ff) - 1
  const words = [
    holder < 0 ? 'free' : `held by CPU ${holder}`,
    ...((value & 0x400) === 0 ? [] : ['one pending']),
    ...(last < 0 ? [] : [`queued to CPU ${last}`]),
    ...((value & 1) === 0 ? [] : ['awaited']),
  ]
  return words.join(', ')
}

/** See sync/ticket-spinlock.ts. */
function ticketWords(value: number): string {
  const served = value & 0x7fff
  const waiting = ((value >> 16) - served) & 0x7fff
  return waiting === 0 ? 'free' : `serving ${served}, ${waiting - 1} waiting`
}

/** See sync/rwsem.ts: the low half counts active threads, the high half is minus the waiters and a writer. */
function xaddWords(count: number): string {
  const active = count & 0xffff
  const waiting = (active - count) >> 16
  if (waiting === 0) return active === 0 ? 'free' : `${active} reading`
  return `${active} active, ${waiting} writing or waiting`
}

export function rwsemWords(kind: number, count: number): string {
  if (kind === RWSEM_SPINNING || kind === RWSEM_READER_SPINNING) return spinningWords(count)
  return kind === RWSEM_GENERIC ? genericWords(count) : xaddWords(count)
}

/** See sync/rwsem-spinning.ts. A reader that is about to take its count back is one that comes. */
function spinningWords(count: number): string {
  const readers = count >> 8
  const words = [
    ...((count & 1) === 0 ? [] : ['writing']),
    ...(readers === 0 ? [] : [`${readers} reading${(count & 1) === 0 ? '' : ' or coming'}`]),
    ...((count & 2) === 0 ? [] : ['awaited']),
    ...((count & 4) === 0 ? [] : ['handed over']),
  ]
  return words.length === 0 ? 'free' : words.join(', ')
}

function genericWords(activity: number): string {
  if (activity === 0) return 'free'
  return activity < 0 ? 'writing' : `${activity} reading`
}

/** See machine/cpu.ts. */
export function stateWords(state: number): string {
  const marks = [
    (state & CPU_INSIDE) === 0 ? 'outside' : 'inside',
    ...((state & CPU_INTERRUPT) === 0 ? [] : ['interrupt']),
    ...((state & CPU_FLUSH) === 0 ? [] : ['flush']),
    ...((state & CPU_STOP) === 0 ? [] : ['stop']),
    ...((state & CPU_CLAIMED) === 0 ? [] : ['claimed']),
  ]
  return `${marks.join('+')} #${Math.floor((state >>> 0) / CPU_ENTRY)}`
}

export function cpuWords(mask: number): string {
  if (mask === 0) return 'none'
  const cpus = Array.from({ length: 32 }, (_, id) => id).filter((id) => ((mask >>> id) & 1) === 1)
  return `CPU ${cpus.join('+')}`
}

export function protectionWords(flags: number): string {
  const letters = [
    [VM_READ, 'r'],
    [VM_WRITE, 'w'],
    [VM_EXEC, 'x'],
  ] as const
  const access = letters.map(([flag, letter]) => ((flags & flag) === 0 ? '' : letter)).join('')
  const key = (flags & VM_PKEY_FLAGS) >> VM_PKEY_SHIFT
  const stack = (flags & VM_GROWSDOWN) === 0 ? '' : ' stack'
  return `${access === '' ? 'no access' : access}${stack}${key === 0 ? '' : ` key ${key}`}`
}

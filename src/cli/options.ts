// Values of options: parsing, ranges, and the nearest name where one is misspelt.
//
// Principle: every parser throws UsageError naming the option, what was given and what is allowed.
import {
  type DesignName,
  type KernelConfig,
  type RssMode,
  type RwsemKind,
  defaultKernelConfig,
  designs,
} from '../memory.ts'
import { nearest } from '../check/nearest.ts'
import { rwsemNames } from '../kernel/index.ts'
import type { RwsemChoice } from '../workloads/index.ts'
import { UsageError } from './failure.ts'

export { nearest }

export type RwsemName = RwsemKind

const RSS_MODES: readonly RssMode[] = ['batched', 'shared']

export const RWSEM_OPTION = `forms of the mmap lock: ${rwsemNames.join(', ')}, 'all', or 'year': that of each design's year`
/** The largest number of a process: PID_MAX_LIMIT of a 64-bit kernel. */
export const MAX_PROCESS = 2 ** 22

/** What is compared unless asked: the lock, the last speculative faults, and what Linux does today. */
export const DEFAULT_DESIGNS = 'classic,lespinasse-2021,per-vma-refcount-2025'

/** Designs given as `a,b` or `all`, in the order given, each once. */
export function parseDesigns(text: string): DesignName[] {
  return parseNames(
    text,
    designs.map(({ name }) => name),
    'design',
    '--design',
  )
}

/** Reader-writer semaphores given as `xadd,generic` or `all`. */
export function parseRwsems(text: string): RwsemName[] {
  return parseNames(text, rwsemNames, 'rwsem', '--rwsem')
}

/** The same, or `year`. */
export function parseRwsemChoice(text: string): RwsemChoice {
  return text.trim() === 'year' ? 'year' : parseRwsems(text)
}

/** How resident pages are counted: in batches by each thread, or in the address space at once. */
export function parseRss(text: string): RssMode {
  const mode = RSS_MODES.find((known) => known === text)
  if (mode === undefined) throw unknownName(text, RSS_MODES, 'way of counting', '--rss')
  return mode
}

/** Kernel options given as `NAME=on` or `NAME=off`, separated by commas. Which go together, the machine knows. */
export function parseConfig(text: string): Partial<KernelConfig> {
  const known = Object.keys(defaultKernelConfig)
  const chosen: Record<string, boolean> = {}
  for (const item of text.split(',')) {
    const [name = '', value] = item.split('=').map((part) => part.trim())
    if (!known.includes(name)) throw unknownName(name, known, 'kernel option', '--config')
    if (value !== 'on' && value !== 'off') {
      throw new UsageError(`--config ${item.trim()} is not usable`, `give ${name}=on or ${name}=off`)
    }
    chosen[name] = value === 'on'
  }
  return chosen
}

function parseNames<Name extends string>(
  text: string,
  known: readonly Name[],
  noun: string,
  option: string,
): Name[] {
  if (text.trim() === 'all') return [...known]
  const names = text.split(',').map((name) => name.trim())
  for (const name of names) {
    if (!known.includes(name as Name)) throw unknownName(name, known, noun, option)
  }
  return [...new Set(names as Name[])]
}

/** The error for a name that is not one of the known ones, suggesting the nearest. */
export function unknownName(
  name: string,
  known: readonly string[],
  noun: string,
  option: string,
): UsageError {
  const near = nearest(name, known)
  const what = name === '' ? `${option} has an empty ${noun}` : `unknown ${noun} '${name}'`
  return new UsageError(what, `${near ? `did you mean '${near}'? ` : ''}Known: ${known.join(', ')}`)
}

/** A whole number within a range. */
export function parseCount(text: string, option: string, min: number, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text.trim()) || value < min || value > max) {
    throw new UsageError(`${option} ${text} is not usable`, `give a whole number of ${min} to ${max}`)
  }
  return value
}

/** Whole numbers given as `1,2,4`, each once. */
export function parseCounts(text: string, option: string, min: number, max: number): number[] {
  return [...new Set(text.split(',').map((one) => parseCount(one.trim(), option, min, max)))]
}

/** A number, not necessarily whole, within a range. */
export function parseNumber(text: string, option: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= min && value <= max)) {
    throw new UsageError(`${option} ${text} is not usable`, `give a number of ${min} to ${max}`)
  }
  return value
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

/** Bytes given as `256MiB`, `1G`, `4096`; at least one page, and rounded up to whole pages. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim())
  const bytes = match ? Number(match[1]) * UNITS[match[2]!.toLowerCase()]! : 0
  if (!(bytes >= 4096 && bytes <= 2 ** 32 - 4096)) {
    throw new UsageError(
      `${option} ${text} is not usable`,
      'give a size of 4KiB to just under 4GiB, such as 256MiB',
    )
  }
  return Math.ceil(bytes / 4096) * 4096
}

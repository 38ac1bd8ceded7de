// What the recorder notes of the kernel, as the events do not tell it: its release, whether it was built with locks of
// single mappings, whether it makes huge pages, and what it counted meanwhile, before the events as comments; and
// behind them, what recording takes.
import { gunzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NOTE, RECORDED_CPUS, RECORDED_EVENT_NS, RECORDED_TASK_NS } from '../trace/recorded-kernel.ts'
import type { Costs } from './overhead.ts'
import { type Host, namesIn, textOf } from './host.ts'

/** Counters of /proc/vmstat, of the whole machine. */
export type KernelCounts = ReadonlyMap<string, number>

/** Those that are noted; of the first, kernels with CONFIG_PER_VMA_LOCK_STATS have several. */
const NOTED =
  /^(vma_lock_\w+|thp_fault_alloc|thp_collapse_alloc|thp_split_pmd|pgmajfault|pgsteal_direct|pswpin) (\d+)$/gm

/** What was counted since the boot. */
export function kernelCounts(host: Host): KernelCounts {
  const lines = (textOf(host, 'proc/vmstat') ?? '').matchAll(NOTED)
  return new Map([...lines].map(([, name, count]) => [name!, Number(count)]))
}

/**
 * The lines, each with its end.
 * @param before what was counted before the recording
 * @param isRedacted whether only the number of the release may be told
 */
export function kernelNotes(host: Host, before: KernelCounts, isRedacted: boolean): string {
  const release = (textOf(host, 'proc/sys/kernel/osrelease') ?? '').trim()
  const hugePages = /\[(\w+)\]/.exec(textOf(host, 'sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1]
  const counted = [...kernelCounts(host)].map(([name, count]) => [
    name,
    String(count - (before.get(name) ?? 0)),
  ])
  const notes = [
    ['kernel', isRedacted ? (/^\d+\.\d+(?:\.\d+)?/.exec(release)?.[0] ?? '') : release],
    ['CONFIG_PER_VMA_LOCK', hasVmaLocks(host, release)],
    [RECORDED_CPUS, release === '' ? '' : String(host.cpus)],
    ['transparent_hugepage', hugePages ?? ''],
    ['free_page_reporting', reportsFreePages(host) ? 'y' : ''],
    ...counted,
  ]
  return notes.map(([key, value]) => (value === '' ? '' : `${NOTE}${key} ${value}\n`)).join('')
}

/** The lines that tell what recording takes. */
export function costNotes({ eventNs, taskNs }: Costs): string {
  const [event, task] = [eventNs, taskNs].map(Math.round)
  return `${NOTE}${RECORDED_EVENT_NS} ${event}\n${NOTE}${RECORDED_TASK_NS} ${task}\n`
}

/** Device number of virtio_balloon, and its feature VIRTIO_BALLOON_F_REPORTING (linux/virtio_balloon.h). */
const BALLOON = '0x0005'
const REPORTING = 5

function reportsFreePages(host: Host): boolean {
  const devices = 'sys/bus/virtio/devices'
  return namesIn(host, devices).some(
    (name) =>
      textOf(host, `${devices}/${name}/device`)?.trim() === BALLOON &&
      textOf(host, `${devices}/${name}/features`)?.[REPORTING] === '1',
  )
}

/** 'y' or 'n' as the kernel's configuration has it; '' where that cannot be read. */
function hasVmaLocks(host: Host, release: string): string {
  const text = compressedText(host, 'proc/config.gz') ?? textOf(host, `boot/config-${release}`)
  if (text === null) return ''
  return /^CONFIG_PER_VMA_LOCK=y$/m.test(text) ? 'y' : 'n'
}

function compressedText(host: Host, path: string): string | null {
  try {
    return gunzipSync(readFileSync(join(host.root, path))).toString('latin1')
  } catch {
    return null
  }
}

/**
 * Which kernel a recording is of, as far as that matters for page faults: what locks it takes them under, how that is
 * known, and whether it makes huge pages.
 *
 * Principle: evidence has an order. That faults took no mmap lock is seen; which form of locks of single mappings a
 * kernel has is a matter of its release (the counted form came with Linux 6.15); the configuration tells where there is
 * none. What none of these tells is assumed, and called so.
 */

/** Lines that `faultline record` writes before the events: `# faultline: KEY VALUE`. */
export const NOTE = '# faultline: '
/** What recording an event takes of the CPU time of its thread, in nanoseconds; and a new thread or process. */
export const RECORDED_CPUS = 'cpus'
export const RECORDED_EVENT_NS = 'recording_event_ns'
export const RECORDED_TASK_NS = 'recording_task_ns'

export interface RecordedKernel {
  /** As uname -r has it, or 'unknown'. */
  readonly release: string
  /** The design of page faults, of those that can be simulated, that is nearest to it. */
  readonly design: 'classic' | 'per-vma-lock-2023' | 'per-vma-refcount-2025'
  readonly isKnown: boolean
  /** Known from what, or assumed because of what; an end of a sentence. */
  readonly evidence: string
  /** The setting of transparent huge pages: always, madvise or never; 'unknown'. */
  readonly hugePages: string
  /** A hypervisor takes free memory back (free page reporting of virtio_balloon), so that new memory costs more. */
  readonly reportsFreePages: boolean
  /** What it counted while it was recorded, on the whole machine, by the names of /proc/vmstat. */
  readonly counts: Readonly<Record<string, number>>
}

/** Linux 6.4 has per-VMA locks for anonymous memory, 6.15 a count of a VMA's users instead. */
const FIRST = [6, 4] as const
const COUNTED = [6, 15] as const
/** Files followed with 6.7: from there on the later design is nearer. */
const FILES = [6, 7] as const
/** Fewer faults are no proof. */
const FAULTS_MIN = 100

interface Faults {
  readonly faults: number
  readonly lockedFaults: number
}

export class KernelEvidence {
  readonly #notes = new Map<string, string>()

  /** A comment of the trace: one of ours, or of `perf script --header`. */
  read(line: string): void {
    const [, key, value] =
      /^# faultline: (\S{1,64}) (.{0,256})/.exec(line) ?? /^# (os release) : (.{0,256})/.exec(line) ?? []
    if (key !== undefined && value !== undefined) this.#notes.set(key, value.trim())
  }

  /** `faultline record` made it, which records all that this machine tells. */
  get isOfRecord(): boolean {
    return this.#notes.has('kernel')
  }

  /** CPUs of the machine, as `record` has noted; 0 where it has not. */
  get cpus(): number {
    const cpus = this.#notes.get(RECORDED_CPUS)
    return /^\d{1,4}$/.test(cpus ?? '') ? Number(cpus) : 0
  }

  /** What recording took of the recorded threads' CPU time, in milliseconds; null if it was not measured. */
  recordingMs(events: number, tasks: number): number | null {
    const eventNs = this.#notes.get(RECORDED_EVENT_NS)
    const taskNs = this.#notes.get(RECORDED_TASK_NS)
    if (!/^\d{1,9}$/.test(eventNs ?? '') || !/^\d{1,9}$/.test(taskNs ?? '')) return null
    return (Number(eventNs) * events + Number(taskNs) * tasks) / 1e6
  }

  #counts(): Record<string, number> {
    const counts = [...this.#notes].filter(
      ([key, value]) => /^(?:vma_lock_|thp_|pg|pswp)/.test(key) && /^\d{1,15}$/.test(value),
    )
    return Object.fromEntries(counts.map(([key, value]) => [key, Number(value)]))
  }

  /** @param user faults of the program; @param hasLocks whether the trace has events of the mmap lock */
  judge(user: Faults, hasLocks: boolean): RecordedKernel {
    const note = (key: string): string | undefined => this.#notes.get(key)
    const release = note('kernel') ?? note('os release') ?? 'unknown'
    const hugePages = note('transparent_hugepage') ?? 'unknown'
    const locks = note('vma_lock_success')
    const judgement = designOf(release, note('CONFIG_PER_VMA_LOCK'), user, hasLocks)
    const more = locks === undefined ? '' : `; /proc/vmstat counted ${locks} vma_lock_success meanwhile`
    const reportsFreePages = note('free_page_reporting') === 'y'
    return {
      release,
      hugePages,
      reportsFreePages,
      counts: this.#counts(),
      ...judgement,
      evidence: judgement.evidence + more,
    }
  }
}

/**
 * What huge pages, and memory that was short, mean for what is said of a recording; a sentence each.
 * @param hugeAdvised calls that asked for huge pages
 * @param isDense whether huge pages would save many faults
 */
export function memoryWarnings(
  { counts, reportsFreePages }: RecordedKernel,
  hugeAdvised: number,
  isDense: boolean,
): string[] {
  const of = (name: string): number => counts[name] ?? 0
  const warnings: string[] = []
  const byFault = of('thp_fault_alloc')
  const collapsed = of('thp_collapse_alloc')
  if (byFault + collapsed > 0 || hugeAdvised > 0) {
    const told =
      byFault + collapsed > 0
        ? `during the recording, the machine brought in ${counted(byFault)} by a fault each, merged small pages into ${counted(collapsed)}, and split ${counted(of('thp_split_pmd'))}`
        : `the program asked for them (MADV_HUGEPAGE, ${hugeAdvised} times), and the recording does not show how many it got`
    warnings.push(
      `huge pages: ${told}; a fault that brings one in counts as one fault with its full cost; a replay has only small pages, and brings in 4 KiB`,
    )
  }
  if (reportsFreePages && isDense) {
    warnings.push(
      'huge pages are not advised: the hypervisor of this machine takes free memory back in units of that size (free page reporting of virtio_balloon), and a new huge page may take longer than the 512 faults that it saves',
    )
  }
  if (isShort(counts)) {
    warnings.push(
      `memory was short, or files were new: during the recording, the machine read from files or swap for ${counted(of('pgmajfault'))} faults, read ${counted(of('pswpin'))} pages from swap, and reclaimed ${counted(of('pgsteal_direct'))} pages for threads that needed memory; the cost of faults excludes the sleep for that, and a replay reads without waiting`,
    )
  }
  return warnings
}

/** Faults that had to read, at least so many, or pages taken for who needed them, tell that memory was short. */
const MAJOR_MIN = 100

/** Whether memory may have been short while it was recorded. */
export function isShort(counts: RecordedKernel['counts']): boolean {
  return (
    (counts['pgmajfault'] ?? 0) >= MAJOR_MIN ||
    (counts['pgsteal_direct'] ?? 0) > 0 ||
    (counts['pswpin'] ?? 0) > 0
  )
}

type Judgement = Pick<RecordedKernel, 'design' | 'isKnown' | 'evidence'>

function designOf(
  release: string,
  config: string | undefined,
  { faults, lockedFaults }: Faults,
  hasLocks: boolean,
): Judgement {
  const version = versionOf(release)
  const tells = hasLocks && faults > 0
  const share = `${counted(faults - lockedFaults)} of ${counted(faults)} faults of the program took no mmap lock`
  const name = release === 'unknown' ? 'its release is not recorded' : `its release, ${release}`
  // Faults that took the lock are no evidence against both: the first write to each mapping takes it, and a fault whose
  // mapping is being changed.
  if (version !== null && !isBefore(version, FIRST) && config === 'y')
    return {
      design: formOf(version),
      isKnown: true,
      evidence: `known from ${name}, and CONFIG_PER_VMA_LOCK in its configuration${tells ? `; ${share}` : ''}`,
    }
  if (tells && lockedFaults < faults / 2) {
    const design = version === null ? 'per-vma-refcount-2025' : formOf(version)
    if (version !== null && !isBefore(version, FIRST) && faults >= FAULTS_MIN)
      return { design, isKnown: true, evidence: `known from ${name}, and because ${share}` }
    const which =
      version === null ? `the form is unknown, as ${name}` : `${name}, is older: see --header of perf script`
    return {
      design,
      isKnown: false,
      evidence: `assumed because ${share}, as since Linux 6.4; ${version !== null && !isBefore(version, FIRST) ? `they are few, but ${name}, agrees` : which}`,
    }
  }
  if (version !== null && isBefore(version, FIRST))
    return {
      design: 'classic',
      isKnown: true,
      evidence: `known from ${name}: per-VMA locks came with 6.4`,
    }
  if (config === 'n')
    return {
      design: 'classic',
      isKnown: true,
      evidence: 'known from its configuration, without CONFIG_PER_VMA_LOCK',
    }
  if (tells)
    return {
      design: 'classic',
      isKnown: false,
      evidence: `assumed because ${counted(lockedFaults)} of ${counted(faults)} faults of the program took the mmap lock`,
    }
  if (version !== null)
    return {
      design: formOf(version),
      isKnown: false,
      evidence: `assumed because of ${name}; its configuration is not recorded`,
    }
  return {
    design: 'classic',
    isKnown: false,
    evidence:
      'assumed because neither its release nor events of the mmap lock (in Linux since 5.11) are recorded',
  }
}

/** Whether a kernel of this release can have per-VMA locks for all kinds of memory. */
export function hasVmaLocks({ release }: RecordedKernel): boolean {
  const version = versionOf(release)
  return version !== null && !isBefore(version, FILES)
}

function formOf(version: readonly [number, number]): RecordedKernel['design'] {
  return isBefore(version, FILES) ? 'per-vma-lock-2023' : 'per-vma-refcount-2025'
}

/** Whether the design has the form of the release itself, or that which is nearest to it. */
export function isExact({ release, design }: RecordedKernel): boolean {
  const version = versionOf(release)
  return version !== null && (design !== 'per-vma-refcount-2025' || !isBefore(version, COUNTED))
}

function versionOf(release: string): readonly [number, number] | null {
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})\b/.exec(release) ?? []
  return major === undefined ? null : [Number(major), Number(minor)]
}

function isBefore(
  [major, minor]: readonly [number, number],
  [otherMajor, otherMinor]: readonly [number, number],
): boolean {
  return major < otherMajor || (major === otherMajor && minor < otherMinor)
}

function counted(count: number): string {
  return count.toLocaleString('en-US')
}

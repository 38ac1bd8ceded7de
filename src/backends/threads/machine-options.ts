// What a machine is asked to be: options, checked and completed, or the error that says what cannot be.

import {
  CPUS_MAX,
  DEFAULT_OVERCOMMIT_RATIO,
  FRAMES_MAX,
  type BootOptions,
  type KernelConfig,
  OVERCOMMIT_ALWAYS,
  OVERCOMMIT_GUESS,
  OVERCOMMIT_NEVER,
  PAGE_SIZE,
  type RwsemKind,
  defaultHeapWords,
  designs,
  minimumHeapWords,
  packKernelConfig,
  resolveKernelConfig,
  rwsemKinds,
  type SharedMemory,
} from '../../kernel/index.ts'
import {
  type FilePath,
  type OptionChecks,
  checkBoolean,
  checkNumber,
  checkObject,
  checkString,
  checkWhole,
  readOptions,
  typeError,
  unchecked,
} from './arguments.ts'
import { ConfigurationError } from './errors.ts'
import { HEAP_WORDS_MAX } from './locked.ts'
import { parseSize } from './size.ts'

/** The name of a design, as `designs` lists them. */
export type DesignName = string
export type { RwsemKind }
/**
 * How resident pages are counted: per thread in batches (SPLIT_RSS_COUNTING, until Linux 6.1), or in the address
 * space.
 */
export type RssMode = 'batched' | 'shared'
/** `vm.overcommit_memory` 0, 1 and 2. */
export type OvercommitMode = 'heuristic' | 'always' | 'never'

/** What a machine is made of. A size is bytes or a text such as '256MiB'. */
export interface MachineOptions {
  /** Physical memory: bytes or a size such as '256MiB', a multiple of 4096, at most 4 GiB less 4 KiB. */
  readonly memory: string | number
  /** How many threads can be attached at once, 1 to 256; the thread that creates the machine is one of them. */
  readonly cpus: number
  /** A name from the list of designs. Default 'lespinasse-2021'. */
  readonly design?: DesignName
  /** Which reader-writer semaphore the mmap lock is. Default: the form of the design's year. */
  readonly rwsem?: RwsemKind
  /** Whether resident pages are counted per thread in batches or per address space at once. Default 'batched'. */
  readonly rss?: RssMode
  /**
   * Whether memory may be promised that is not there: 'heuristic' refuses only a call that asks for more than there is
   * in all, 'always' refuses nothing, 'never' keeps all promises together below the commit limit. Default 'heuristic'.
   */
  readonly overcommit?: OvercommitMode
  /** For 'never': the commit limit in per cent of the physical memory, 0 to 10,000. Default 50. */
  readonly overcommitRatio?: number
  /** For 'never': the commit limit in KiB, 1 to 2^31 - 1, in place of the ratio. */
  readonly overcommitKbytes?: number
  /** Memory of the kernel itself: VMAs, page tables … Default: ample. */
  readonly kernelHeap?: string | number
  readonly config?: Partial<KernelConfig>
  /**
   * For development: what withRange and withPages hand out are copies, which are taken back, so that it is found where
   * one is kept, or written though it was to be read. Other threads see what was written when the function returns.
   * Default false.
   */
  readonly checkRanges?: boolean
  /** A file to which pages that are not in use leave memory, see Machine.swapOn(). Default: none. */
  readonly swap?: SwapOptions & { readonly path: FilePath }
  /**
   * A thread that writes dirty pages of files back while programs compute, so that msync, close and reclaim find little
   * to do: true, or when. What is promised when does not change, see docs/files.md. Default: none.
   */
  readonly writeback?: boolean | WritebackOptions
}

/** The names are those of `/proc/sys/vm`. */
export interface WritebackOptions {
  /** All is written when so many pages became dirty since it last was: per cent of memory, 0 to 100. Default 10. */
  readonly dirtyBackgroundRatio?: number
  /** What has been dirty for so long is written, in milliseconds, from 0 to a day. Default 30,000. */
  readonly dirtyExpireMs?: number
  /** How often that is looked at, in milliseconds, from 1 to a day. Default 5,000. */
  readonly dirtyWritebackMs?: number
  /**
   * A module, as a `file:` URL, whose default export is the Storage of that thread. Without one it uses the file
   * system, and `setStorage` is refused. Default: none.
   */
  readonly storage?: string
}

/** The swap area of a machine, see Machine.swapOn(). */
export interface SwapOptions {
  /** Room for swapped pages: bytes or a size such as '1GiB', a multiple of 4096, at most 4 GiB less 4 KiB. */
  readonly size: string | number
  /** As of openFile(). Default true. */
  readonly lock?: boolean
}

const machineChecks: OptionChecks<MachineOptions> = {
  memory: unchecked,
  cpus: checkNumber,
  design: checkString,
  rwsem: checkString,
  rss: checkString,
  overcommit: checkString,
  overcommitRatio: checkNumber,
  overcommitKbytes: checkNumber,
  kernelHeap: unchecked,
  config: checkObject,
  checkRanges: checkBoolean,
  swap: checkObject,
  writeback: unchecked,
}
const DAY_MS = 86_400_000
const writebackChecks: OptionChecks<WritebackOptions> = {
  dirtyBackgroundRatio: (value, name) => checkWhole(value, name, 0, 100, 'a whole number of per cent'),
  dirtyExpireMs: (value, name) => checkWhole(value, name, 0, DAY_MS, 'milliseconds, at most a day'),
  dirtyWritebackMs: (value, name) => checkWhole(value, name, 1, DAY_MS, 'milliseconds, at most a day'),
  storage: checkString,
}
const swapChecks: OptionChecks<SwapOptions> = { size: unchecked, lock: checkBoolean }

/** A machine that can be. */
interface MachinePlan extends BootOptions {
  readonly checkRanges: boolean
  readonly swap: { readonly path: FilePath; readonly options: SwapOptions } | null
  readonly writeback: WritebackPlan | null
}

/** When the flusher writes: `dirtyBackground` in pages, `dirtyExpire` in periods. */
export interface WritebackPlan {
  readonly dirtyBackground: number
  readonly dirtyExpire: number
  readonly dirtyWritebackMs: number
  readonly storage: string | null
}

/** Throws ConfigurationError for a machine that cannot be, TypeError and RangeError for no option, size or number. */
export function planMachine(given: MachineOptions): MachinePlan {
  const options = readOptions(given, 'Machine.create options', machineChecks)
  if (options.cpus === undefined)
    typeError('cpus', options.cpus, `a whole number from 1 to ${CPUS_MAX}: one for each thread at work`)
  const frameCount = framesOf(options)
  const writeback = readWriteback(options.writeback ?? false, frameCount)
  const { cpus } = options
  const most = writeback === null ? CPUS_MAX : CPUS_MAX - 1
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > most) {
    throw new ConfigurationError(`cpus: ${cpus} is not a whole number from 1 to ${most}`)
  }
  // The flusher has one of its own.
  const cpuCount = writeback === null ? cpus : cpus + 1
  const rssBatched = choose('rss', options.rss ?? 'batched', { batched: true, shared: false })
  const overcommit = chooseOvercommit(options)
  const { design, config } = chooseDesign(options, cpuCount)
  const rwsemKind = choose('rwsem', options.rwsem ?? designs[design]!.description.rwsem, rwsemKinds)
  const heapWords = heapWordsOf(options, cpuCount, frameCount)
  const swap = options.swap === undefined ? null : readSwap(options.swap)
  return {
    cpuCount,
    frameCount,
    heapWords,
    config: packKernelConfig(config),
    rwsemKind,
    design,
    rssBatched,
    overcommit,
    checkRanges: options.checkRanges ?? false,
    swap,
    writeback,
  }
}

function readWriteback(given: unknown, frameCount: number): WritebackPlan | null {
  if (given === false) return null
  if ((process.platform as string) === 'browser')
    throw new ConfigurationError('writeback: a browser has no thread for it')
  const options = given === true ? {} : readOptions(given, 'writeback options', writebackChecks)
  const { dirtyBackgroundRatio = 10, dirtyExpireMs = 30_000, dirtyWritebackMs = 5_000, storage } = options
  return {
    dirtyBackground: Math.max(1, Math.floor((frameCount * dirtyBackgroundRatio) / 100)),
    dirtyExpire: Math.ceil(dirtyExpireMs / dirtyWritebackMs),
    dirtyWritebackMs,
    storage: storage ?? null,
  }
}

function readSwap(given: SwapOptions & { readonly path: FilePath }): MachinePlan['swap'] {
  const { path, ...options } = readOptions<SwapOptions & { readonly path: FilePath }>(given, 'swap options', {
    ...swapChecks,
    path: unchecked,
  })
  return { path, options }
}

function framesOf({ memory }: MachineOptions): number {
  const bytes = parseSize(memory, 'memory')
  if (bytes % PAGE_SIZE !== 0)
    throw new ConfigurationError(`memory: ${bytes} bytes is not a multiple of ${PAGE_SIZE}`)
  const frameCount = bytes / PAGE_SIZE
  if (frameCount < 16 || frameCount > FRAMES_MAX)
    throw new ConfigurationError(`memory: ${bytes} bytes is not between 64 KiB and 4 GiB - 4 KiB`)
  return frameCount
}

function heapWordsOf({ kernelHeap }: MachineOptions, cpus: number, frameCount: number): number {
  const heapWords =
    kernelHeap === undefined
      ? defaultHeapWords(cpus, frameCount)
      : Math.floor(parseSize(kernelHeap, 'kernelHeap') / 4)
  if (heapWords < minimumHeapWords(cpus, frameCount)) {
    const least = Math.ceil((minimumHeapWords(cpus, frameCount) * 4) / 1024)
    throw new ConfigurationError(
      `kernelHeap: ${cpus} CPUs and ${frameCount} frames need at least ${least}KiB`,
    )
  }
  if (heapWords > HEAP_WORDS_MAX)
    throw new ConfigurationError(`kernelHeap: ${heapWords * 4} bytes are more than 4 GiB`)
  return heapWords
}

/** Throws what swapOn() throws for what is no size, or no option. */
export function readSwapOptions(given: SwapOptions): { readonly bytes: number; readonly lock: boolean } {
  const { size, lock = true } = readOptions(given, 'swap options', swapChecks)
  const bytes = parseSize(size, 'swap')
  if (bytes === 0 || bytes % PAGE_SIZE !== 0)
    throw new ConfigurationError(`swap: ${bytes} bytes is not a positive multiple of ${PAGE_SIZE}`)
  return { bytes, lock }
}

function choose<T>(what: string, value: string, choices: Readonly<Record<string, T>>): T {
  const choice = Object.hasOwn(choices, value) ? choices[value] : undefined
  if (choice === undefined) {
    throw new ConfigurationError(
      `${what}: there is no '${value}'; choose one of ${Object.keys(choices).join(', ')}`,
    )
  }
  return choice
}

function chooseOvercommit(options: MachineOptions): { memory: number; ratio: number; kilobytes: number } {
  const memory = choose('overcommit', options.overcommit ?? 'heuristic', {
    heuristic: OVERCOMMIT_GUESS,
    always: OVERCOMMIT_ALWAYS,
    never: OVERCOMMIT_NEVER,
  })
  const { overcommitRatio: ratio = DEFAULT_OVERCOMMIT_RATIO, overcommitKbytes: kilobytes } = options
  if (!Number.isInteger(ratio) || ratio < 0 || ratio > 10_000) {
    throw new ConfigurationError(`overcommitRatio: ${String(ratio)} is not a whole number from 0 to 10,000`)
  }
  if (kilobytes !== undefined && !(Number.isInteger(kilobytes) && kilobytes >= 1 && kilobytes < 2 ** 31)) {
    throw new ConfigurationError(
      `overcommitKbytes: ${String(kilobytes)} is not a whole number from 1 to 2^31 - 1`,
    )
  }
  return { memory, ratio, kilobytes: kilobytes ?? 0 }
}

function chooseDesign(options: MachineOptions, cpuCount: number): { design: number; config: KernelConfig } {
  const name = options.design ?? 'lespinasse-2021'
  const design = designs.findIndex((candidate) => candidate.description.name === name)
  if (design < 0) {
    const names = designs.map((candidate) => candidate.description.name).join(', ')
    throw new ConfigurationError(`design: there is no '${name}'; choose one of ${names}`)
  }
  const { config, problems } = resolveKernelConfig(options.config ?? {})
  if (designs[design]!.speculates && !config.SPECULATIVE_PAGE_FAULT) {
    problems.push(`the design ${name} needs SPECULATIVE_PAGE_FAULT, which this configuration switches off`)
  }
  if (!config.SMP && cpuCount > 1)
    problems.push(options.cpus > 1 ? `${options.cpus} CPUs need SMP` : 'writeback needs SMP')
  if (problems.length > 0) throw new ConfigurationError(`config: ${problems.join('; ')}`)
  return { design, config }
}

/** Memory of the host. Throws ConfigurationError where there is not that much. */
export function allocate(bytes: number, option: string, create: () => SharedMemory): SharedMemory {
  try {
    return create()
  } catch (error) {
    const mebibytes = Math.ceil(bytes / 2 ** 20)
    throw new ConfigurationError(`${option}: the host cannot give ${mebibytes} MiB: ask for less`, {
      cause: error,
    })
  }
}

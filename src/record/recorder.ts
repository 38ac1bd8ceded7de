/**
 * Records what a program does with its memory: perf record, perf script, and a compressed file of the text.
 *
 * Principles: what cannot work is found out before the command runs; all that is made on the way is in one folder
 * beside the output, which is gone at the end, however it comes; the output appears whole, by a rename, or not at all;
 * what recording takes is measured once the output is there, so that nobody waits for it to begin.
 */
import type { ChildProcess } from 'node:child_process'
import {
  chownSync,
  closeSync,
  constants,
  createWriteStream,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
// As a whole: an older Node lacks names of it, and is to say so in words.
import * as zlib from 'node:zlib'
import { firstBuffer, largerBuffer } from './buffers.ts'
import { complaintIn, RecordError } from './errors.ts'
import type { Host } from './host.ts'
import { costNotes, type KernelCounts, kernelCounts, kernelNotes } from './kernel-notes.ts'
import type { Means } from './means.ts'
import {
  ending,
  type Ending,
  recordArguments,
  scriptArguments,
  startPerf,
  type Target,
  targetArguments,
} from './perf.ts'
import { type Costs, costsOf, OVERHEAD_CHILD, type Overhead, overheadOf, tookOf } from './overhead.ts'
import type { Took } from './overhead-child.ts'
import { Redaction, type Renamer } from './redaction.ts'
import { Tally } from './tally.ts'

const PROGRESS_MS = 1000

export interface RecordRequest {
  readonly target: Target
  /** Where the text goes: compressed with gzip if it ends in .gz, not compressed in .txt, with zstd otherwise. */
  readonly output: string
  /** Ends the recording after so many seconds. */
  readonly seconds?: number
  readonly hasStacks: boolean
  /** Where names and paths are to be replaced: what gives out the new ones. */
  readonly renamer?: Renamer
  /** The program that its own overhead is measured on; {@link OVERHEAD_CHILD} unless given. */
  readonly overheadOn?: readonly string[]
  /** How often the recording is made again, at most, when events were lost. */
  readonly retries: number
  /** Where the command's standard output goes: a file descriptor. */
  readonly commandOutput: number
  /** Tells what is being done, a sentence each. */
  readonly onNotice: (text: string) => void
  /** Called each second while the text is written, with how many events are. */
  readonly onProgress?: (events: number) => void
}

export interface Recorded {
  readonly output: string
  /** Of the file. */
  readonly bytes: number
  readonly events: number
  readonly lost: number
  /** Of each processor. */
  readonly bufferBytes: number
  /** Times that it was recorded. */
  readonly runs: number
  /** How the command ended; null where none was run, or where the recording was ended first. */
  readonly command: Ending | null
  /** Threads that were created meanwhile, and had not ended when the recording did. */
  readonly leftRunning: number
  /** What recording itself took; null where that could not be measured. */
  readonly overhead: Overhead | null
}

interface Run {
  readonly file: string
  readonly tally: Tally
  readonly lost: number
  readonly bufferBytes: number
  readonly command: Ending | null
}

export class Recorder {
  readonly #host: Host
  #means: Means
  readonly #request: RecordRequest
  #folder = ''
  #child: ChildProcess | null = null
  #isRecording = false
  #isStopped = false
  /** Of what recording takes; null: not begun. */
  #measuring: 'goes on' | 'is given up' | null = null

  constructor(host: Host, means: Means, request: RecordRequest) {
    this.#host = host
    this.#means = means
    this.#request = request
  }

  /**
   * Ends the recording early, so that what was recorded is written; once that is done, only what is measured then.
   * @returns whether that was possible: false where nothing is being recorded, or it is ending already
   */
  stop(): boolean {
    if (this.#measuring !== null) this.#measuring = 'is given up'
    else if (!this.#isRecording || this.#isStopped) return false
    this.#isStopped = true
    this.#child?.kill('SIGINT')
    return true
  }

  /**
   * Records, and writes the output.
   * @throws RecordError where that does not work; the output is as it was then
   */
  async record(): Promise<Recorded> {
    const { output } = this.#request
    this.#folder = folderBeside(output)
    const cleanUp = (): void => {
      this.#child?.kill('SIGTERM')
      removeInUse(this.#folder)
    }
    process.once('exit', cleanUp)
    try {
      const first = firstBuffer(this.#host)
      await this.#probe(first)
      const { best, runs } = await this.#untilNothingIsLost(first)
      const { file, tally, ...told } = best
      const { owner } = this.#host
      if (owner !== null) chownSync(file, owner.user, owner.group)
      const { size: bytes } = statSync(file)
      renameSync(file, output)
      this.#measuring = 'goes on'
      this.#request.onNotice('measuring what recording itself takes')
      const costs = await this.#measureCosts(best.bufferBytes)
      if (costs !== null) addTo(output, costNotes(costs))
      return {
        output,
        bytes,
        events: tally.events,
        runs,
        ...told,
        // Who ended may be among what was lost.
        leftRunning: best.lost > 0 ? 0 : tally.alive,
        overhead: costs === null ? null : overheadOf(costs, tally),
      }
    } finally {
      cleanUp()
      process.off('exit', cleanUp)
    }
  }

  /** Records `true` with the same events and buffers: what perf refuses, it refuses now. */
  async #probe(bufferBytes: number): Promise<void> {
    let complaint = await this.#tryOut(bufferBytes)
    if (complaint !== null && this.#means.sampleEvents.length > 0) {
      // An old perf, or a kernel that has no more timers to give.
      this.#means = { ...this.#means, sampleEvents: [] }
      const without = await this.#tryOut(bufferBytes)
      if (without === null)
        this.#request.onNotice(
          `perf cannot sample the CPU here (${complaint}), so only a lower bound of the cost of page faults is known`,
        )
      complaint = without
    }
    if (complaint === null) return
    const { target } = this.#request
    const whom = target.kind === 'command' ? [] : targetArguments(target, undefined)
    const what = target.kind === 'processes' ? `process ${target.pids.join(' or ')}` : 'here'
    if (target.kind === 'processes' && complaint.includes('No such process')) throw hasEnded(target.pids)
    throw new RecordError(
      `perf cannot record ${what}: ${complaint}`,
      `see what it says: perf record -vv -e ${this.#means.events[0]} ${[...whom, '--', 'true'].join(' ')}`,
    )
  }

  /** Returns what perf complains of; null where it records. */
  async #tryOut(bufferBytes: number): Promise<string | null> {
    let said = ''
    const file = join(this.#folder, 'probe')
    const { hasStacks, target } = this.#request
    const whom = target.kind === 'command' ? [] : targetArguments(target, undefined)
    // It is to say what is wrong.
    const options = recordArguments(this.#means, file, bufferBytes, hasStacks).filter(
      (value) => value !== '-q',
    )
    const values = [...options, ...whom, '--', 'true']
    const { code } = await this.#perf(values, ['ignore', 'ignore'], (text) => (said += text))
    rmSync(file, { force: true })
    return code === 0 ? null : complaintIn(said)
  }

  /** Records a program whose work is known, and runs it without perf before and after. */
  async #measureCosts(bufferBytes: number): Promise<Costs | null> {
    const { hasStacks, target, overheadOn: [program, ...values] = OVERHEAD_CHILD } = this.#request
    const file = join(this.#folder, 'overhead')
    const whom = target.kind === 'all' ? ['-a'] : []
    const record = recordArguments(this.#means, file, bufferBytes, hasStacks).filter(
      (value) => value !== '-q',
    )
    const run = async (path: string, options: readonly string[]): Promise<Took | null> =>
      tookOf(await this.#outputOf(path, options))
    try {
      const before = await run(program!, values)
      if (before === null) return null
      const recorded = await run(this.#means.perf, [...record, ...whom, '--', program!, ...values])
      const after = await run(program!, values)
      if (recorded === null || after === null) return null
      // Of a whole machine, what the others did meanwhile may be too much for one string.
      const own = scriptArguments(this.#means, file, hasStacks).filter((word) => !word.startsWith('--show'))
      const text = await this.#outputOf(this.#means.perf, [...own, '--pid', `${recorded.pid}`])
      return costsOf(recorded, [before, after], text)
    } finally {
      rmSync(file, { force: true })
    }
  }

  /** What a program prints; '' where it fails, or nobody waits for it any more. What it has to say else is not told. */
  async #outputOf(path: string, values: readonly string[]): Promise<string> {
    if (this.#measuring === 'is given up') return ''
    this.#child = startPerf(path, values, ['ignore', 'pipe'], () => {})
    let output = ''
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text))
    try {
      const { code } = await ending(this.#child)
      return code === 0 ? output : ''
    } catch {
      return ''
    } finally {
      this.#child = null
    }
  }

  async #perf(
    values: readonly string[],
    stdio: Parameters<typeof startPerf>[2],
    said?: (text: string) => void,
  ): Promise<Ending> {
    this.#child = startPerf(this.#means.perf, values, stdio, said)
    try {
      return await ending(this.#child)
    } finally {
      this.#child = null
    }
  }

  async #untilNothingIsLost(first: number): Promise<{ best: Run; runs: number }> {
    let best = await this.#run(1, first)
    let runs = 1
    let last = best
    while (last.lost > 0 && runs <= this.#request.retries && this.#canBeRepeated(last)) {
      const bytes = largerBuffer(this.#host, last.bufferBytes)
      if (bytes === null) break
      this.#request.onNotice(
        `perf lost ${last.lost} of ${last.tally.events + last.lost} events: recording again, with buffers of ` +
          `${bytes / 2 ** 20} MiB for each processor`,
      )
      runs++
      last = await this.#run(runs, bytes)
      if (last.lost < best.lost) best = last
    }
    return { best, runs }
  }

  /** A command that failed, or that has read its input, would do something else; and who ended it wants it ended. */
  #canBeRepeated({ command }: Run): boolean {
    if (this.#isStopped) return false
    if (this.#request.target.kind !== 'command') return this.#request.seconds !== undefined
    return (command === null || command.code === 0) && fstatSync(0).isCharacterDevice()
  }

  async #run(number: number, bufferBytes: number): Promise<Run> {
    const data = join(this.#folder, `data-${number}`)
    const { target, seconds, hasStacks, commandOutput, onNotice } = this.#request
    const values = [
      ...recordArguments(this.#means, data, bufferBytes, hasStacks),
      ...targetArguments(target, seconds),
    ]
    const isCommand = target.kind === 'command'
    let isCut = false
    const cut = (): void => {
      isCut = true
      this.#child?.kill('SIGINT')
    }
    const timer = isCommand && seconds !== undefined ? setTimeout(cut, seconds * 1000) : undefined
    if (!isCommand && seconds === undefined) onNotice('recording, until Ctrl-C')
    const before = kernelCounts(this.#host)
    this.#isRecording = true
    let end: Ending
    try {
      end = await this.#perf(values, [isCommand ? 'inherit' : 'ignore', commandOutput])
    } finally {
      clearTimeout(timer)
      this.#isRecording = false
    }
    // One may have ended between the probe and now.
    if (
      target.kind === 'processes' &&
      sizeOf(data) === 0 &&
      !target.pids.some((pid) => isThere(this.#host, pid))
    )
      throw hasEnded(target.pids)
    requireData(data, end)
    const file = join(this.#folder, `text-${number}`)
    const tally = await this.#print(data, file, before)
    rmSync(data)
    const command = isCommand && !isCut && !this.#isStopped ? end : null
    return { file, tally, lost: tally.lost, bufferBytes, command }
  }

  /** Prints what was recorded into a file, compressed. */
  async #print(data: string, file: string, before: KernelCounts): Promise<Tally> {
    const { onNotice, onProgress } = this.#request
    onNotice(`writing what was recorded, ${Math.ceil(statSync(data).size / 2 ** 20)} MiB`)
    const { perf } = this.#means
    let said = ''
    const child = startPerf(
      perf,
      scriptArguments(this.#means, data, this.#request.hasStacks),
      ['ignore', 'pipe'],
      (text) => (said = (said + text).slice(0, 10_000)),
    )
    this.#child = child
    const tally = new Tally()
    const timer = setInterval(() => onProgress?.(tally.events), PROGRESS_MS)
    const compressor = compressorFor(this.#request.output)
    const ended = ending(child)
    try {
      const { renamer } = this.#request
      const redaction = renamer === undefined ? new PassThrough() : new Redaction(renamer)
      const out = createWriteStream(file, { flags: 'wx', mode: 0o600 })
      const notes = kernelNotes(this.#host, before, renamer !== undefined)
      await pipeline(child.stdout!, tally, redaction, withFirst(notes), compressor, out)
    } catch (error) {
      child.kill()
      throw writeError(error as NodeJS.ErrnoException)
    } finally {
      clearInterval(timer)
      await ended
      this.#child = null
    }
    const { code } = await ended
    if (code !== 0 || tally.events === 0) {
      throw new RecordError(
        `perf cannot print what it recorded: ${code === 0 ? 'there is no event in it' : complaintIn(said)}`,
        'record again, for longer',
      )
    }
    return tally
  }
}

/** A temporary folder on the disk of the output. */
function folderBeside(output: string): string {
  const parent = dirname(output)
  try {
    return mkdtempSync(join(parent, '.faultline-record-'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new RecordError(`nothing can be written in ${parent} (${code})`, 'give another --output')
  }
}

/** What comes, with something before it. */
function withFirst(text: string) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    yield Buffer.from(text)
    yield* source
  }
}

function compressorFor(output: string): NodeJS.ReadWriteStream {
  if (output.endsWith('.gz')) return zlib.createGzip()
  return output.endsWith('.txt') ? new PassThrough() : zlib.createZstdCompress()
}

/** Adds a text to a recording, if it is there still; where that fails, as on a full disk, that is as it was. */
function addTo(output: string, text: string): void {
  if (!existsSync(output)) return
  const file = openSync(output, constants.O_WRONLY | constants.O_APPEND)
  const { size } = fstatSync(file)
  try {
    writeFileSync(file, compressed(output, text))
  } catch {
    ftruncateSync(file, size)
  } finally {
    closeSync(file)
  }
}

/** As what compressorFor() makes, which may follow it. */
function compressed(output: string, text: string): string | Uint8Array {
  if (output.endsWith('.gz')) return zlib.gzipSync(text)
  return output.endsWith('.txt') ? text : zlib.zstdCompressSync(text)
}

function writeError(error: NodeJS.ErrnoException): Error {
  if (error.code !== 'ENOSPC') return error
  return new RecordError('there is no space on the disk for the text', 'make space, or give another --output')
}

function hasEnded(pids: readonly number[]): RecordError {
  return new RecordError(
    `process ${pids.join(' or ')} has ended`,
    'record it from its start: faultline record -- COMMAND',
  )
}

function isThere(host: Host, pid: number): boolean {
  return existsSync(join(host.root, 'proc', String(pid)))
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** perf writes its file at the end; where that is empty, it could not record at all. */
function requireData(data: string, { code, signal }: Ending): void {
  if (sizeOf(data) > 0) return
  throw new RecordError(
    `perf recorded nothing, and ended with ${signal ?? `exit code ${code}`}`,
    'see its message above',
  )
}

/**
 * Removes a folder in which a process that is ending may still make files: it does not find the folder any more. Else
 * one that it makes while the others are removed would keep the folder.
 */
function removeInUse(folder: string): void {
  if (!existsSync(folder)) return
  const leaving = `${folder}-leaving`
  renameSync(folder, leaving)
  rmSync(leaving, { recursive: true, force: true })
}

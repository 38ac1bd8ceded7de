// Runs linux.c: compiles it where it is, starts it once, and sends it sequences.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Step } from './operations.ts'

const SOURCE = fileURLToPath(new URL('linux.c', import.meta.url))

/** The first Linux that does everything as this suite expects it. */
export const oldestKernel = '6.17'

/** Whether a Linux of this version is the one that the suite is about, or a later one. */
export function isRecent(release: string): boolean {
  const [major, minor] = release.split('.').map((part) => Number.parseInt(part, 10))
  const [leastMajor, leastMinor] = oldestKernel.split('.').map(Number)
  return major! > leastMajor! || (major === leastMajor && minor! >= leastMinor!)
}

/** Why sequences cannot be held against Linux here, or null when they can. */
export function whyNotHere(compiler: string = compilerName()): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on x86-64'
  if (spawnSync(compiler, ['--version']).status !== 0)
    return `needs a C compiler, and '${compiler}' cannot be run`
  return null
}

function compilerName(): string {
  return process.env['CC'] || 'cc'
}

/** `SEGV_PKUERR`, the code of a SIGSEGV for a protection key. */
const SEGV_PKUERR = 4

/** What linux.c tells of itself and its host when it is ready. */
export interface Readiness {
  readonly heapStart: number
  readonly memlockMost: number
  readonly executeOnly: boolean
  /** How many protection keys pkey_alloc() gives once memory that may only be executed has one. */
  readonly keysLeft: number
  /** Whether a read of anonymous memory takes a page of its own, and does not map the zero page. */
  readonly forbidsZeroPage: boolean
}

/** Reads the first line of linux.c. Throws where what it says fits neither form of Linux. */
export function parseReady(line: string): Readiness {
  const ready = /^ready (\d+) (\d+) (\d+) (\d+) ([01])$/.exec(line)
  if (ready === null) throw new Error(`the Linux side of the conformance suite did not start: '${line}'`)
  const [heapStart, most, keysLeft, loadCode, zeroPage] = ready.slice(1).map(Number)
  if (loadCode !== 0 && loadCode !== SEGV_PKUERR)
    throw new Error(`a load from what may only be executed is a SIGSEGV with the code ${loadCode} here`)
  if (loadCode === 0 && keysLeft !== 0)
    throw new Error(`what may only be executed can be read here, though ${keysLeft} protection keys are left`)
  return {
    heapStart: heapStart!,
    memlockMost: most! < 2 ** 63 ? most! : Infinity,
    executeOnly: loadCode === SEGV_PKUERR,
    keysLeft: keysLeft!,
    forbidsZeroPage: zeroPage === 0,
  }
}

/** Who performs sequences on the other side. */
export interface Peer {
  /** Where its heap begins. */
  readonly heapStart: number
  /** How many threads perform the steps, as `thread` steps say. */
  readonly threads: number
  /** The most, in bytes, that it can be allowed to lock. */
  readonly memlockMost: number
  /** Whether what may only be executed cannot be read there, as a processor with protection keys has it. */
  readonly executeOnly: boolean
  /** Whether a read of anonymous memory takes a page of its own there, and does not map the zero page. */
  readonly forbidsZeroPage: boolean
  /** What each sequence printed, step by step. */
  run(sequences: readonly (readonly Step[])[]): Promise<string[][]>
}

/** The program, running. */
export class LinuxPeer implements Peer {
  readonly heapStart: number
  readonly threads: number
  readonly memlockMost: number
  readonly executeOnly: boolean
  readonly forbidsZeroPage: boolean
  /** Whether it has taken all protection keys away from itself. */
  readonly keysUsedUp: boolean
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    threads: number,
    { heapStart, memlockMost, executeOnly, forbidsZeroPage }: Readiness,
    keysUsedUp: boolean,
  ) {
    this.#child = child
    this.#lines = lines
    this.heapStart = heapStart
    this.threads = threads
    this.memlockMost = memlockMost
    this.executeOnly = executeOnly
    this.forbidsZeroPage = forbidsZeroPage
    this.keysUsedUp = keysUsedUp
  }

  /**
   * Compiles and starts it; each process has up to `threads` threads, 1 to 4. With `keysUsedUp` it is without
   * protection keys on any host.
   */
  static async start(threads = 1, keysUsedUp = false): Promise<LinuxPeer> {
    compiled ??= compile()
    const values = keysUsedUp ? [String(threads), 'used-up'] : [String(threads)]
    const child = spawn(compiled, values, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = linesOf(child)
    const ready = parseReady(await nextLine(lines))
    if (keysUsedUp && ready.executeOnly) throw new Error('protection keys cannot be used up here')
    return new LinuxPeer(child, lines, threads, ready, keysUsedUp)
  }

  /**
   * Starts one for each form that this host can show: without protection keys everywhere, and where the processor has
   * them, with them first.
   */
  static async startForms(threads = 1): Promise<readonly LinuxPeer[]> {
    const peer = await LinuxPeer.start(threads)
    return peer.executeOnly ? [peer, await LinuxPeer.start(threads, true)] : [peer]
  }

  /** The form of Linux that it shows, in words. */
  get form(): string {
    return `${this.#keys}, ${this.forbidsZeroPage ? 'zero page forbidden' : 'zero page'}`
  }

  get #keys(): string {
    if (this.executeOnly) return 'protection keys'
    return this.keysUsedUp ? 'all protection keys used up' : 'no protection keys'
  }

  async run(sequences: readonly (readonly Step[])[]): Promise<string[][]> {
    this.#child.stdin!.write(sequences.map((steps) => `${sequenceText(steps)}\n`).join(''))
    const answers: string[][] = []
    for (let count = 0; count < sequences.length; count++) {
      const answer: string[] = []
      for (let line = await nextLine(this.#lines); line !== '.'; line = await nextLine(this.#lines))
        answer.push(line)
      answers.push(answer)
    }
    return answers
  }

  close(): void {
    this.#child.kill('SIGKILL')
  }
}

/** A sequence as linux.c reads it. */
export function sequenceText(steps: readonly Step[]): string {
  return steps.map((step) => step.join(' ')).join(';')
}

/** The program, which is compiled once in a process. */
let compiled: string | null = null

/** Not static: then the C library would have moved the break before the program begins. */
function compile(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'faultline-conformance-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const program = path.join(folder, 'linux')
  const flags = ['-O2', '-std=gnu11', SOURCE, '-o', program]
  const { status, stderr } = spawnSync(compilerName(), flags, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${compilerName()} cannot compile ${SOURCE}: ${stderr.trim()}`)
  return program
}

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of child.stdout!.setEncoding('latin1')) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop()!
    yield* lines
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next()
  if (done === true) throw new Error('the Linux side of the conformance suite has ended')
  return value
}

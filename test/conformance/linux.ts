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

/** Who performs sequences on the other side. */
export interface Peer {
  /** Where its heap begins. */
  readonly heapStart: number
  /** How many threads perform the steps, as `thread` steps say. */
  readonly threads: number
  /** The most, in bytes, that it can be allowed to lock. */
  readonly memlockMost: number
  /** What each sequence printed, step by step. */
  run(sequences: readonly (readonly Step[])[]): Promise<string[][]>
}

/** The program, running. */
export class LinuxPeer implements Peer {
  readonly heapStart: number
  readonly threads: number
  readonly memlockMost: number
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(
    child: ChildProcess,
    lines: AsyncIterator<string>,
    threads: number,
    [heapStart, memlockMost]: readonly [number, number],
  ) {
    this.#child = child
    this.#lines = lines
    this.heapStart = heapStart
    this.threads = threads
    this.memlockMost = memlockMost
  }

  /** Compiles and starts it; each process has up to `threads` threads, 1 to 4. */
  static async start(threads = 1): Promise<LinuxPeer> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'faultline-conformance-'))
    try {
      const program = path.join(folder, 'linux')
      compile(program)
      const child = spawn(program, [String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] })
      const lines = linesOf(child)
      const ready = /^ready (\d+) (\d+)$/.exec(await nextLine(lines))
      if (ready === null) throw new Error('the Linux side of the conformance suite did not start')
      const most = Number(ready[2])
      return new LinuxPeer(child, lines, threads, [Number(ready[1]), most < 2 ** 63 ? most : Infinity])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
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

/** Not static: then the C library would have moved the break before the program begins. */
function compile(program: string): void {
  const flags = ['-O2', '-std=gnu11', SOURCE, '-o', program]
  const { status, stderr } = spawnSync(compilerName(), flags, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${compilerName()} cannot compile ${SOURCE}: ${stderr.trim()}`)
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

// The same workloads on the real kernel: compiles bench/peers/linux.c and runs it.
//
// Principles: the peer is compiled where it runs, into a temporary directory; its figures are compared only with
// interleaved runs on the same machine. If something is missing (compiler, Linux, the source), a PeerError says what
// to do.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Workload } from './catalogue.ts'
import { idlePercentBetween, processorTimes } from './processors.ts'
import type { Latency, Run } from './thread-run.ts'

/** The peer cannot be built or run here. */
export class PeerError extends Error {
  override readonly name = 'PeerError'
  /** What the user can do about it. */
  readonly remedy: string

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.remedy = remedy
  }
}

export interface PeerRunOptions {
  readonly workload: Workload
  readonly threads: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly bytesPerThread: number
  readonly repetition: number
}

const SOURCE = fileURLToPath(new URL('../../bench/peers/linux.c', import.meta.url))

/** The compiled peer. Close it to remove what was built; ending the process does so too. */
export class LinuxPeer {
  /** The kernel and its version, without its builder's suffix. */
  readonly name = `Linux ${/^[\d.]*\d/.exec(os.release())?.[0] ?? os.release()}`
  readonly #directory: string
  readonly #program: string
  readonly #children = new Set<ChildProcess>()
  readonly #cleanUp = (): void => {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true, force: true })
  }

  private constructor(directory: string) {
    this.#directory = directory
    this.#program = path.join(directory, 'linux')
    process.once('exit', this.#cleanUp)
  }

  /** Compiles the peer with `compiler` (default: $CC, else `cc`). Throws PeerError. */
  static async compile(compiler: string = process.env['CC'] || 'cc'): Promise<LinuxPeer> {
    if (process.platform !== 'linux') {
      throw new PeerError(
        `cannot run against linux on ${process.platform}`,
        'leave --against out, or use Linux',
      )
    }
    if (!existsSync(SOURCE)) {
      throw new PeerError(`${SOURCE} is missing`, 'install the package again: it carries this file')
    }
    const peer = new LinuxPeer(mkdtempSync(path.join(os.tmpdir(), 'faultline-')))
    try {
      await peer.#compileWith(compiler)
      return peer
    } catch (error) {
      peer.close()
      throw error
    }
  }

  async #compileWith(compiler: string): Promise<void> {
    const flags = ['-O2', '-std=gnu11', '-pthread', SOURCE, '-o', this.#program]
    let result: Output
    try {
      result = await this.#execute(compiler, flags)
    } catch (error) {
      throw new PeerError(
        `--against linux needs a C compiler, and '${compiler}' cannot be run`,
        'install one (Debian: apt-get install gcc libc6-dev) or name it in the environment variable CC',
        { cause: error },
      )
    }
    if (result.code !== 0) {
      const first = result.stderr.trim().split('\n', 1)[0]
      throw new PeerError(
        `'${compiler}' cannot compile ${path.basename(SOURCE)}: ${first}`,
        'install the headers of the C library, or leave --against out',
      )
    }
  }

  /** Runs a workload once. Throws PeerError when the program fails. */
  async run(options: PeerRunOptions): Promise<Run> {
    const { workload, threads } = options
    const before = processorTimes()
    const values = [threads, options.seconds, options.warmupSeconds, options.bytesPerThread]
    const output = await this.#execute(this.#program, [workload.name, ...values.map(String)])
    const after = processorTimes()
    if (output.code !== 0) {
      throw new PeerError(
        `the Linux peer failed (${output.signal ?? `exit code ${output.code}`}): ${output.stderr.trim()}`,
        'it needs as much free memory as the workload maps; try fewer threads or a smaller --size',
      )
    }
    const line = JSON.parse(output.stdout) as PeerLine
    return {
      threads,
      repetition: options.repetition,
      faults: line.count,
      seconds: line.seconds,
      faultsPerSecond: line.count / line.seconds,
      faultsTaken: line.faultsTaken,
      faultLatencyNs: line.latencyNs,
      writerCycles: line.writerCycles,
      idlePercent: idlePercentBetween(before, after),
    }
  }

  /** Removes what was built, and stops what runs. */
  close(): void {
    process.removeListener('exit', this.#cleanUp)
    this.#cleanUp()
  }

  #execute(program: string, values: readonly string[]): Promise<Output> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, values, { stdio: ['ignore', 'pipe', 'pipe'] })
      this.#children.add(child)
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      child.on('error', (error) => {
        this.#children.delete(child)
        reject(error)
      })
      child.on('close', (code, signal) => {
        this.#children.delete(child)
        resolve({ code, signal, stdout, stderr })
      })
    })
  }
}

interface Output {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** The line that the peer prints. */
interface PeerLine {
  readonly count: number
  readonly seconds: number
  readonly faultsTaken: number
  readonly latencyNs: Latency | null
  readonly writerCycles: number | null
}

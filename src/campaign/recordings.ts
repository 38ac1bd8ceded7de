// Recordings for workers on other machines: the campaign puts each on the queue's server, under the digest of its
// content, and workers copy it to a file. If a recording is larger than the limit, it must be at the same path in a
// folder that the worker was given.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { Redis } from 'ioredis'
import { fileIn } from '../check/index.ts'
import type { ReplayJob } from './job.ts'

/** A larger one is not sent: a server keeps it in memory, and takes no value of more than 512 MiB. */
const SENT_MAX = 256 * 2 ** 20
/** One that nobody has asked for again is forgotten after so long. */
const KEPT_S = 3600

/** The recording is not to be had, or another one lies there. */
class RecordingMissing extends Error {
  override readonly name = 'RecordingMissing'
}

function keyOf(content: string): string {
  return `faultline:recording:${content}`
}

/** Puts it on the server, unless it is there. One that is too large, or has changed since, is not sent. */
export async function sendRecording(client: Redis, { trace, content }: ReplayJob): Promise<void> {
  if ((await client.expire(keyOf(content), KEPT_S)) === 1) return
  const bytes = bytesOf(trace)
  if (bytes !== null && digestOf(bytes) === content) await client.set(keyOf(content), bytes, 'EX', KEPT_S)
}

/** Null for what is too large, or not there any more: a worker says what is to be done then. */
function bytesOf(trace: string): Buffer | null {
  try {
    return statSync(trace).size > SENT_MAX ? null : readFileSync(trace)
  } catch {
    return null
  }
}

/** The recordings of a worker. */
export class Recordings {
  readonly #client: Redis
  readonly #files: string | null
  readonly #most: number
  #folder: string | null = null
  /** Those that were taken from the server, the last one last. */
  readonly #taken = new Map<string, string>()

  /**
   * @param files the folder in which recordings may lie
   * @param atOnce tasks that the worker has at once: of those before, the files are removed
   */
  constructor(client: Redis, files: string | null, atOnce: number) {
    this.#client = client
    this.#files = files
    this.#most = atOnce
  }

  /** The path of a recording on this machine. @throws RecordingMissing */
  async find({ trace, content }: ReplayJob): Promise<string> {
    const own = this.#own(trace, content)
    if (own !== null) return own
    const taken = this.#taken.get(content)
    if (taken !== undefined) return this.#touch(content, taken)
    // One that is longer is none of ours.
    const bytes =
      (await this.#client.strlen(keyOf(content))) > SENT_MAX
        ? null
        : await this.#client.getBuffer(keyOf(content))
    if (bytes === null || digestOf(bytes) !== content)
      throw new RecordingMissing(
        `the recording ${trace} is not on the queue, since it has changed or is larger than ${SENT_MAX / 2 ** 20} MiB: ` +
          'put it at the same path here, and name its folder with --files',
      )
    return this.#keep(content, bytes)
  }

  #own(trace: string, content: string): string | null {
    if (this.#files === null) return null
    try {
      const path = fileIn(this.#files, relative(realpathSync(this.#files), realpathSync(trace)))
      return digestOf(readFileSync(path)) === content ? path : null
    } catch {
      // It is not there, or not in the folder: it is then taken from the server.
      return null
    }
  }

  #keep(content: string, bytes: Buffer): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'faultline-recordings-'))
    const path = join(this.#folder, content)
    writeFileSync(path, bytes)
    const [oldest] = this.#taken
    if (this.#taken.size >= this.#most) {
      this.#taken.delete(oldest![0])
      rmSync(oldest![1])
    }
    return this.#touch(content, path)
  }

  #touch(content: string, path: string): string {
    this.#taken.delete(content)
    this.#taken.set(content, path)
    return path
  }

  close(): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true })
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

// The temporary file of a trace: where its words go that are too many for memory. A page has none.

import { closeSync, openSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { randomUUID } from 'node:crypto'
import { TraceError } from './errors.ts'

const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT

/** The temporary file. It has no name once it is open, so that it vanishes with the process however that ends. */
export class SpoolFile {
  readonly descriptor: number
  readonly #file: string
  readonly #directory: string
  #named = false
  #size = 0

  constructor(file: string, directory: string = tmpdir()) {
    this.#file = file
    this.#directory = directory
    const name = path.join(directory, `faultline-${process.pid}-${randomUUID()}.spool`)
    try {
      this.descriptor = openSync(name, 'wx+', 0o600)
    } catch (error) {
      throw this.#failed(error as NodeJS.ErrnoException)
    }
    try {
      unlinkSync(name)
    } catch {
      // Where an open file keeps its name (Windows), it goes when the process exits.
      this.#named = true
      process.once('exit', () => rmSync(name, { force: true }))
    }
  }

  get isNamed(): boolean {
    return this.#named
  }

  append(words: Int32Array, length: number): number {
    const offset = this.#size
    this.#write(words, length, offset)
    this.#size += length * WORD_BYTES
    return offset
  }

  overwrite(offset: number, value: number): void {
    this.#write(Int32Array.of(value), 1, offset)
  }

  #write(words: Int32Array, length: number, offset: number): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, length * WORD_BYTES)
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(this.descriptor, bytes, done, bytes.length - done, offset + done)
      }
    } catch (error) {
      throw this.#failed(error as NodeJS.ErrnoException)
    }
  }

  close(): void {
    closeSync(this.descriptor)
  }

  #failed(error: NodeJS.ErrnoException): TraceError {
    const megabytes = Math.ceil(this.#size / 1e6)
    const problem =
      error.code === 'ENOSPC'
        ? `${this.#directory} has no room for the temporary file (it holds ${megabytes} MB and is not complete)`
        : `the temporary file in ${this.#directory} failed (${error.message})`
    return new TraceError(
      'spool',
      this.#file,
      undefined,
      problem,
      'Set TMPDIR to a directory with more room.',
      error,
    )
  }
}

/** Fills `bytes` with what is in the file of this descriptor from `offset` on. */
export function readSpool(descriptor: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = readSync(descriptor, bytes, done, bytes.length - done, offset + done)
    if (count === 0) throw new Error('the temporary file of the trace is shorter than what was written to it')
    done += count
  }
}

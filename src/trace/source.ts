/**
 * Where the bytes of a trace come from: a file or standard input, plain or compressed with gzip, zstd or xz.
 *
 * Principles: the content decides (magic bytes), not the file's name; memory is constant; whatever goes wrong becomes a
 * `TraceError` that names the file and, where reading had begun, how far it got.
 */
import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { Duplex, Readable, Writable } from 'node:stream'
// As a whole: an older Node lacks names of it, and is to say so in words (see threads/node-version.ts).
import * as zlib from 'node:zlib'
import { scriptCommand, TraceError } from './errors.ts'

const READ_SIZE = 1 << 20

/** Beginnings of what people hand in by mistake, with what to do instead. */
const KNOWN_BEGINNINGS: readonly { bytes: readonly number[]; at: number; what: string; remedy: string }[] = [
  {
    bytes: [0x50, 0x45, 0x52, 0x46, 0x49, 0x4c, 0x45, 0x32], // PERFILE2
    at: 0,
    what: 'is the binary file of perf record, not its text',
    remedy: `Print it first: ${scriptCommand} -i FILE > trace.txt`,
  },
  {
    bytes: [0x42, 0x5a, 0x68],
    at: 0,
    what: 'is compressed with bzip2',
    remedy: 'Decompress it first: bzip2 -d FILE',
  },
  { bytes: [0x50, 0x4b, 0x03, 0x04], at: 0, what: 'is a zip archive', remedy: 'Unpack it first: unzip FILE' },
  { bytes: [0x1f, 0x8b], at: 0, what: 'is gzip inside gzip', remedy: 'Decompress it once: gzip -d FILE' },
  {
    bytes: [0xff, 0xd8, 0xff],
    at: 0,
    what: 'is a JPEG picture',
    remedy: `Give the text that this prints: ${scriptCommand}`,
  },
  {
    bytes: [0x89, 0x50, 0x4e, 0x47],
    at: 0,
    what: 'is a PNG picture',
    remedy: `Give the text that this prints: ${scriptCommand}`,
  },
  {
    bytes: [0x7f, 0x45, 0x4c, 0x46],
    at: 0,
    what: 'is an ELF program',
    remedy: `Give the text that this prints: ${scriptCommand}`,
  },
]

/** How a trace may be compressed: its first bytes, and what undoes it. */
interface Compression {
  readonly name: string
  readonly magic: readonly number[]
  readonly decompress: (file: string) => Duplex
}

const COMPRESSIONS: readonly Compression[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], decompress: () => zlib.createGunzip({ chunkSize: READ_SIZE }) },
  {
    name: 'zstd',
    magic: [0x28, 0xb5, 0x2f, 0xfd],
    decompress: () => zlib.createZstdDecompress({ chunkSize: READ_SIZE }),
  },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], decompress: decompressXz },
]
const MAGIC_BYTES = 5

/** Node has no xz, but nearly every system has the program. */
function decompressXz(file: string): Duplex {
  const xz = spawn('xz', ['--decompress', '--stdout'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  xz.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString('latin1')).slice(0, 200)))
  const ended = new Promise<void>((resolve, reject) => {
    xz.on('error', (error) => {
      const remedy = 'Install xz (Debian: xz-utils), or decompress it first: xz -d FILE.'
      const problem = 'it is compressed with xz, and the program xz cannot be run'
      reject(new TraceError('unreadable', file, undefined, problem, remedy, error))
    })
    xz.on('close', (code) => {
      if (code === 0) resolve()
      const why = complaint.replaceAll(/[^\x20-\x7e]/g, ' ').trim()
      const remedy = 'Copy the file again, or check it with: xz -t FILE.'
      reject(
        new TraceError('corrupt', file, undefined, `the xz data is damaged or truncated (${why})`, remedy),
      )
    })
  })
  // Whoever reads sees it.
  ended.catch(() => {})
  // The output may end before it is known that the input was too short.
  const readable = async function* (): AsyncGenerator<Uint8Array> {
    yield* xz.stdout as AsyncIterable<Uint8Array>
    await ended
  }
  // What xz does not read any more, as it failed, is no error of its own.
  xz.stdin.on('error', () => {})
  const writable = new Writable({
    write: (chunk: Uint8Array, _, done) =>
      void (xz.stdin.destroyed ? done() : xz.stdin.write(chunk, () => done())),
    final: (done) => void (xz.stdin.destroyed ? done() : xz.stdin.end(() => done())),
  })
  const duplex = Duplex.from({ writable, readable: Readable.from(readable()) })
  duplex.on('close', () => xz.kill())
  return duplex
}

export interface TraceSource {
  /** What to call it in messages. */
  readonly file: string
  /** Decompressed bytes. A chunk is valid until the next one is asked for. */
  chunks(): AsyncGenerator<Uint8Array>
  /** Where reading stands, for messages: the importer keeps this up to date. */
  line: number
  /** Whether it turned out to be compressed. */
  compressed: boolean
}

function startsWith(chunk: Uint8Array, bytes: readonly number[], at: number): boolean {
  return chunk.length >= at + bytes.length && bytes.every((byte, i) => chunk[at + i] === byte)
}

/** Refuses what is certainly no text of perf, by the first bytes after decompression. */
function refuseBinary(file: string, chunk: Uint8Array): void {
  for (const known of KNOWN_BEGINNINGS) {
    if (startsWith(chunk, known.bytes, known.at))
      throw new TraceError('not-a-trace', file, 1, `this ${known.what}`, `${known.remedy}.`)
  }
  const end = Math.min(chunk.length, 4096)
  for (let i = 0; i < end; i++) {
    if (chunk[i] === 0) {
      throw new TraceError(
        'not-a-trace',
        file,
        1,
        'this is a binary file, not the text that perf script prints',
        `Print a trace with: ${scriptCommand}.`,
      )
    }
  }
}

function openError(file: string, error: NodeJS.ErrnoException): TraceError {
  if (error.code === 'ENOENT') {
    return new TraceError(
      'unreadable',
      file,
      undefined,
      'there is no such file',
      'Check the path, or give - for standard input.',
      error,
    )
  }
  if (error.code === 'EISDIR') {
    return new TraceError(
      'unreadable',
      file,
      undefined,
      'this is a directory',
      'Give the file that perf script printed.',
      error,
    )
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new TraceError(
      'unreadable',
      file,
      undefined,
      'no permission to read it',
      `Allow it: chmod u+r ${file}`,
      error,
    )
  }
  return new TraceError(
    'unreadable',
    file,
    undefined,
    `it cannot be read (${error.message})`,
    'Check the file and its disk.',
    error,
  )
}

/**
 * Opens a trace.
 * @param path a path, or `-` for standard input
 * @param stdin what `-` means; the process's standard input unless given
 */
export function openSource(path: string, stdin: Readable = process.stdin): TraceSource {
  const file = path === '-' ? '<stdin>' : path
  const source: TraceSource = { file, line: 0, compressed: false, chunks }
  let format = ''
  return source

  async function* chunks(): AsyncGenerator<Uint8Array> {
    const raw: Readable = path === '-' ? stdin : createReadStream(path, { highWaterMark: READ_SIZE })
    let decompressor: Duplex | null = null
    try {
      let first: Uint8Array | null = null
      const iterator = raw[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
      // A pipe may deliver the magic one byte at a time.
      while (first === null || first.length < MAGIC_BYTES) {
        const next = await iterator
          .next()
          .catch((error: NodeJS.ErrnoException) => Promise.reject(openError(file, error)))
        if (next.done === true) break
        first = first === null ? next.value : Buffer.concat([first, next.value])
      }
      if (first === null) {
        throw new TraceError(
          'not-a-trace',
          file,
          undefined,
          'this is empty',
          `Print a trace with: ${scriptCommand}.`,
        )
      }
      const rest = { [Symbol.asyncIterator]: () => iterator }
      const beginning = first
      const compression = COMPRESSIONS.find(({ magic }) => startsWith(beginning, magic, 0))
      if (compression === undefined) {
        yield* checked(prepend(first, rest))
      } else {
        source.compressed = true
        format = compression.name
        decompressor = compression.decompress(file)
        const input = Readable.from(prepend(first, rest))
        // An error of the input must end the decompressor too, else the loop below would wait for ever.
        input.on('error', (error) => decompressor!.destroy(error))
        input.pipe(decompressor)
        yield* checked(decompressor as AsyncIterable<Uint8Array>)
      }
    } finally {
      decompressor?.destroy()
      if (path !== '-') raw.destroy()
    }
  }

  async function* prepend(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield first
    yield* rest
  }

  async function* checked(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let empty = true
    try {
      for await (const chunk of input) {
        if (empty && chunk.length > 0) {
          empty = false
          refuseBinary(file, chunk)
        }
        yield chunk
      }
    } catch (error) {
      if (error instanceof TraceError) throw error
      throw readError(error as NodeJS.ErrnoException)
    }
    if (empty)
      throw new TraceError(
        'not-a-trace',
        file,
        undefined,
        'this is empty',
        `Print a trace with: ${scriptCommand}.`,
      )
  }

  function readError(error: NodeJS.ErrnoException): TraceError {
    const line = source.line
    const where = line > 0 ? ` after line ${line}` : ''
    if (error.code === 'Z_BUF_ERROR' || (format === 'zstd' && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) {
      return new TraceError(
        'corrupt',
        file,
        line || undefined,
        `the ${format} data ends too early${where}`,
        'The file is truncated: copy it again.',
        error,
      )
    }
    if (error.code?.startsWith('Z_') === true || error.code?.startsWith('ZSTD_') === true) {
      return new TraceError(
        'corrupt',
        file,
        line || undefined,
        `the ${format} data is damaged${where} (${error.message})`,
        `Copy the file again, or check it with: ${format} -t FILE`,
        error,
      )
    }
    return openError(file, error)
  }
}

/**
 * Where the bytes of a trace come from: a file or standard input, plain or gzip.
 *
 * Principles: the content decides (magic bytes), not the file's name; memory is constant; whatever goes wrong becomes a
 * `TraceError` that names the file and, where reading had begun, how far it got.
 */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip, type Gunzip } from 'node:zlib'
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
    bytes: [0x28, 0xb5, 0x2f, 0xfd],
    at: 0,
    what: 'is compressed with zstd',
    remedy: 'Decompress it first: zstd -d FILE',
  },
  {
    bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
    at: 0,
    what: 'is compressed with xz',
    remedy: 'Decompress it first: xz -d FILE',
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

export interface TraceSource {
  /** What to call it in messages. */
  readonly file: string
  /** Decompressed bytes. A chunk is valid until the next one is asked for. */
  chunks(): AsyncGenerator<Uint8Array>
  /** Where reading stands, for messages: the importer keeps this up to date. */
  line: number
  /** Whether it turned out to be gzip. */
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
  return source

  async function* chunks(): AsyncGenerator<Uint8Array> {
    const raw: Readable = path === '-' ? stdin : createReadStream(path, { highWaterMark: READ_SIZE })
    let gunzip: Gunzip | null = null
    try {
      let first: Uint8Array | null = null
      const iterator = raw[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
      // The magic is two bytes, and a pipe may deliver them one at a time.
      while (first === null || first.length < 2) {
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
      if (first[0] === 0x1f && first[1] === 0x8b) {
        source.compressed = true
        gunzip = createGunzip({ chunkSize: READ_SIZE })
        const input = Readable.from(prepend(first, rest))
        // An error of the input must end the decompressor too, else the loop below would wait for ever.
        input.on('error', (error) => gunzip!.destroy(error))
        input.pipe(gunzip)
        yield* checked(gunzip as AsyncIterable<Uint8Array>)
      } else {
        yield* checked(prepend(first, rest))
      }
    } finally {
      gunzip?.destroy()
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
    if (error.code === 'Z_BUF_ERROR') {
      return new TraceError(
        'corrupt',
        file,
        line || undefined,
        `the gzip data ends too early${where}`,
        'The file is truncated: copy it again.',
        error,
      )
    }
    if (error.code?.startsWith('Z_') === true) {
      return new TraceError(
        'corrupt',
        file,
        line || undefined,
        `the gzip data is damaged${where} (${error.message})`,
        'Copy the file again, or check it with: gzip -t FILE',
        error,
      )
    }
    return openError(file, error)
  }
}

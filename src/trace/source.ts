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
import { TraceError } from './errors.ts'
import { type TraceSource, checkedText, emptyTrace, startsWith } from './source-format.ts'

const READ_SIZE = 1 << 20

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
        throw emptyTrace(file)
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

  function checked(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    return checkedText(file, input, (error) => readError(error as NodeJS.ErrnoException))
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

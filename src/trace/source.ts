/**
 * Where the bytes of a trace come from: a file or standard input, plain or compressed (gzip, zstd, xz, bzip2, lz4).
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
  readonly decompress: (input: AsyncIterable<Uint8Array>, file: string) => AsyncIterable<Uint8Array>
}

const COMPRESSIONS: readonly Compression[] = [
  {
    name: 'gzip',
    magic: [0x1f, 0x8b],
    decompress: (input) => through(zlib.createGunzip({ chunkSize: READ_SIZE }), input),
  },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], decompress: zstdFrames },
  // A skippable frame: pzstd tells in one before each frame how long that is.
  { name: 'zstd', magic: [0x50, 0x2a, 0x4d, 0x18], decompress: zstdFrames },
  byProgram('xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a], 'xz-utils'),
  byProgram('bzip2', [0x42, 0x5a, 0x68], 'bzip2'),
  byProgram('lz4', [0x04, 0x22, 0x4d, 0x18], 'lz4'),
]
const MAGIC_BYTES = 5

/** What a stream makes of `input`. */
async function* through(stream: Duplex, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(input)
  // An error of the input must end the stream too, else whoever reads it would wait for ever.
  source.on('error', (error) => stream.destroy(error))
  source.pipe(stream)
  try {
    yield* stream as AsyncIterable<Uint8Array>
  } finally {
    stream.destroy()
  }
}

/** pzstd, and cat of several files, make several frames. Node's decompressor ends within a chunk that has the next. */
async function* zstdFrames(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = input[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  let left: Uint8Array | undefined = new Uint8Array(0)
  while (left !== undefined) {
    const frame = zlib.createZstdDecompress({ chunkSize: READ_SIZE })
    const fed = feed(frame, left, source)
    fed.catch((error: Error) => frame.destroy(error))
    try {
      yield* frame as AsyncIterable<Uint8Array>
    } finally {
      frame.destroy()
    }
    left = await fed
  }
}

/** Writes to a decompressor until it has enough, or nothing comes. Returns what it left; undefined for the latter. */
async function feed(
  frame: zlib.ZstdDecompress,
  first: Uint8Array,
  source: AsyncIterator<Uint8Array, undefined>,
): Promise<Uint8Array | undefined> {
  const over = new Promise<void>((resolve) => frame.once('close', resolve))
  let written = 0
  for (let chunk: Uint8Array | undefined = first; chunk !== undefined; chunk = (await source.next()).value) {
    const bytes = chunk
    await Promise.race([new Promise<void>((resolve) => frame.write(bytes, () => resolve())), over])
    written += bytes.length
    if (frame.bytesWritten < written) return bytes.subarray(bytes.length - written + frame.bytesWritten)
  }
  frame.end()
  return undefined
}

/** Node has none for these, but nearly every system has the program. */
function byProgram(name: string, magic: readonly number[], packageName: string): Compression {
  const decompress: Compression['decompress'] = (input, file) =>
    through(programStream(name, packageName, file), input)
  return { name, magic, decompress }
}

function programStream(name: string, packageName: string, file: string): Duplex {
  const program = spawn(name, ['--decompress', '--stdout'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  program.stderr.on(
    'data',
    (chunk: Buffer) => (complaint = (complaint + chunk.toString('latin1')).slice(0, 200)),
  )
  const ended = new Promise<void>((resolve, reject) => {
    program.on('error', (error) => {
      const remedy = `Install ${name} (Debian: ${packageName}), or decompress it first: ${name} -d FILE.`
      const problem = `it is compressed with ${name}, and the program ${name} cannot be run`
      reject(new TraceError('unreadable', file, undefined, problem, remedy, error))
    })
    program.on('close', (code) => {
      if (code === 0) resolve()
      const why = complaint.replaceAll(/[^\x20-\x7e]/g, ' ').trim()
      const remedy = `Copy the file again, or check it with: ${name} -t FILE.`
      reject(
        new TraceError(
          'corrupt',
          file,
          undefined,
          `the ${name} data is damaged or truncated (${why})`,
          remedy,
        ),
      )
    })
  })
  // Whoever reads sees it.
  ended.catch(() => {})
  // The output may end before it is known that the input was too short.
  const readable = async function* (): AsyncGenerator<Uint8Array> {
    yield* program.stdout as AsyncIterable<Uint8Array>
    await ended
  }
  // What the program does not read any more, as it failed, is no error of its own.
  program.stdin.on('error', () => {})
  const writable = new Writable({
    write: (chunk: Uint8Array, _, done) =>
      void (program.stdin.destroyed ? done() : program.stdin.write(chunk, () => done())),
    final: (done) => void (program.stdin.destroyed ? done() : program.stdin.end(() => done())),
  })
  const duplex = Duplex.from({ writable, readable: Readable.from(readable()) })
  duplex.on('close', () => program.kill())
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
        yield* checked(compression.decompress(prepend(first, rest), file))
      }
    } finally {
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

// The bytes of a recording that was dropped on the page: read and decompressed in the browser, a piece at a time.

import { Decompress } from 'fzstd'
import { TraceError } from '../../src/trace/errors.ts'
import { type TraceSource, checkedText, startsWith } from '../../src/trace/source-format.ts'

const FORMATS = [
  { name: 'gzip', magic: [0x1f, 0x8b] },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd] },
] as const
const XZ = [0xfd, 0x37, 0x7a, 0x58, 0x5a]
const MAGIC_BYTES = 5

export async function fileSource(file: File): Promise<TraceSource> {
  const first = new Uint8Array(await file.slice(0, MAGIC_BYTES).arrayBuffer())
  const format = FORMATS.find(({ magic }) => startsWith(first, magic, 0))
  if (startsWith(first, XZ, 0)) {
    const remedy = `Decompress it first: xz -d ${file.name}`
    throw new TraceError('unreadable', file.name, undefined, 'a page decompresses no xz', remedy)
  }
  const source: TraceSource = { file: file.name, line: 0, compressed: format !== undefined, chunks }
  return source

  function chunks(): AsyncGenerator<Uint8Array> {
    const raw = file.stream()
    const text = format === undefined ? raw : raw.pipeThrough(decompressor(format.name))
    return checkedText(file.name, piecesOf(text), (error) => {
      const where = source.line > 0 ? ` after line ${source.line}` : ''
      const problem =
        format === undefined
          ? `it cannot be read${where} (${String(error)})`
          : `the ${format.name} data is damaged or truncated${where}`
      return new TraceError(
        'corrupt',
        file.name,
        source.line || undefined,
        problem,
        'Copy the file again.',
        error,
      )
    })
  }
}

type Decompressor = ReadableWritablePair<Uint8Array, Uint8Array<ArrayBuffer>>

/** Browsers have gzip; zstd, in which `faultline record` writes, few have. */
function decompressor(format: 'gzip' | 'zstd'): Decompressor {
  return format === 'gzip' ? new DecompressionStream('gzip') : zstdStream()
}

/** Checksums are not looked at. */
function zstdStream(): Decompressor {
  const zstd = new Decompress()
  return new TransformStream<Uint8Array, Uint8Array>({
    start(controller) {
      zstd.ondata = (chunk) => controller.enqueue(chunk)
    },
    transform: (chunk) => zstd.push(chunk),
    flush: () => zstd.push(new Uint8Array(0), true),
  })
}

/** As not every browser iterates over streams. */
async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

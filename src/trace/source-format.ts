// What a trace is and is not, by the bytes that it begins with, wherever they come from.

import { howToMake, scriptCommand, TraceError } from './errors.ts'

/** Beginnings of what people hand in by mistake, with what to do instead. */
const KNOWN_BEGINNINGS: readonly { bytes: readonly number[]; at: number; what: string; remedy: string }[] = [
  {
    bytes: [0x50, 0x45, 0x52, 0x46, 0x49, 0x4c, 0x45, 0x32], // PERFILE2
    at: 0,
    what: 'is the binary file of perf record, not its text',
    remedy: `Print it first: ${scriptCommand} -i FILE > trace.txt`,
  },
  {
    bytes: [0x17, 0x08, 0x44, 0x74, 0x72, 0x61, 0x63, 0x69, 0x6e, 0x67], // tracing, behind three bytes
    at: 0,
    what: 'is the binary file of trace-cmd record, not its text',
    remedy: 'Print it first: trace-cmd report -i FILE > trace.txt',
  },
  ...[
    [0xff, 0xfe],
    [0xfe, 0xff],
  ].map((bytes) => ({
    bytes,
    at: 0,
    what: 'is text in UTF-16',
    remedy: 'Convert it first: iconv -f UTF-16 -t UTF-8 FILE > trace.txt',
  })),
  {
    bytes: [0x42, 0x5a, 0x68],
    at: 0,
    what: 'is compressed with bzip2',
    remedy: 'Decompress it first: bzip2 -d FILE',
  },
  { bytes: [0x50, 0x4b, 0x03, 0x04], at: 0, what: 'is a zip archive', remedy: 'Unpack it first: unzip FILE' },
  { bytes: [0x1f, 0x8b], at: 0, what: 'is gzip inside gzip', remedy: 'Decompress it once: gzip -d FILE' },
]

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

export function startsWith(chunk: Uint8Array, bytes: readonly number[], at: number): boolean {
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
      throw new TraceError('not-a-trace', file, 1, 'this is a binary file, not text', howToMake)
    }
  }
}

export function emptyTrace(file: string): TraceError {
  return new TraceError('not-a-trace', file, undefined, 'this is empty', howToMake)
}

/** The chunks of `input`, unless they are certainly no text of perf; what is wrong with reading it `explain`s. */
export async function* checkedText(
  file: string,
  input: AsyncIterable<Uint8Array>,
  explain: (error: unknown) => TraceError,
): AsyncGenerator<Uint8Array> {
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
    throw error instanceof TraceError ? error : explain(error)
  }
  if (empty) throw emptyTrace(file)
}

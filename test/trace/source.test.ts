// Compressed traces other than gzip: zstd by Node itself, others by the host's programs.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { importTrace, TraceError, type TraceErrorCode } from '../../src/trace/index.ts'
import { temporaryDirectory, TraceText } from './trace-text.ts'

const text = Buffer.from(
  new TraceText().exec(1).mmap(1, 1, 0x10000, 0x4000).fault(1, 1, 0x10000, 6).toString(),
)

async function faultsOf(bytes: Uint8Array, pieceSize = bytes.length): Promise<number> {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += pieceSize) pieces.push(bytes.subarray(at, at + pieceSize))
  const trace = await importTrace('-', { stdin: Readable.from(pieces) })
  trace.close()
  return trace.recordedFaults
}

async function fails(
  bytes: Uint8Array,
  code: TraceErrorCode,
  message: RegExp,
  remedy: RegExp,
): Promise<void> {
  await assert.rejects(faultsOf(bytes), (error) => {
    assert.ok(error instanceof TraceError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, message)
    assert.match(error.remedy, remedy)
    return true
  })
}

describe('zstd', () => {
  test('in pieces of any size', async () => {
    for (const size of [1, 7, 100_000]) assert.equal(await faultsOf(zstdCompressSync(text), size), 1)
  })

  test('in several frames, as pzstd and cat make them', async () => {
    const [first, second] = [text.subarray(0, 200), text.subarray(200)].map((part) => zstdCompressSync(part))
    const packed = Buffer.concat([first!, second!])
    const ends = [1, 7, first!.length - 1, first!.length, first!.length + 1, packed.length]
    for (const size of ends) assert.equal(await faultsOf(packed, size), 1, `pieces of ${size} bytes`)
    await fails(packed.subarray(0, packed.length - 12), 'corrupt', /zstd data ends too early/, /truncated/)
    await fails(Buffer.concat([packed, Buffer.from('end')]), 'corrupt', /zstd data/, /./)
  })

  test('with frames between them that are to be skipped, as pzstd writes them', async () => {
    const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])
    const parts = [text.subarray(0, 200), text.subarray(200)].map((part) => zstdCompressSync(part))
    const packed = Buffer.concat(parts.flatMap((part) => [skipped, part]))
    for (const size of [1, 7, 12, 13, skipped.length + parts[0]!.length, packed.length])
      assert.equal(await faultsOf(packed, size), 1, `pieces of ${size} bytes`)
  })

  test('truncated and damaged', async () => {
    const packed = zstdCompressSync(text)
    await fails(packed.subarray(0, packed.length - 12), 'corrupt', /zstd data ends too early/, /truncated/)
    packed.fill(0xff, 20, 60)
    await fails(packed, 'corrupt', /zstd data is damaged/, /zstd -t/)
  })
})

for (const name of ['xz', 'bzip2', 'lz4']) {
  describe(name, () => {
    const packed = spawnSync(name, ['-c'], { input: text })
    const skip = packed.error === undefined ? false : `there is no ${name} on this host`

    test('in pieces of any size', { skip }, async () => {
      for (const size of [1, 7, 100_000]) assert.equal(await faultsOf(packed.stdout, size), 1)
    })

    test('truncated', { skip }, async () => {
      const truncated = packed.stdout.subarray(0, packed.stdout.length - 20)
      await fails(truncated, 'corrupt', RegExp(`${name} data is damaged or truncated`), RegExp(`${name} -t`))
    })

    test('where the host has no such program', { skip }, async () => {
      const { PATH = '' } = process.env
      process.env['PATH'] = temporaryDirectory()
      try {
        await fails(
          packed.stdout,
          'unreadable',
          RegExp(`program ${name} cannot be run`),
          RegExp(`${name} -d`),
        )
      } finally {
        process.env['PATH'] = PATH
      }
    })
  })
}

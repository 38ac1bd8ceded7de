// Compressed traces other than gzip: zstd by Node itself, xz by the host's program.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { zstdCompressSync } from 'node:zlib'
import { importTrace, TraceError, type TraceErrorCode } from '../../src/trace/index.ts'
import { temporaryDirectory, TraceText } from './trace-text.ts'

const text = new TraceText().exec(1).mmap(1, 1, 0x10000, 0x4000).fault(1, 1, 0x10000, 6).toString()

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

  test('truncated and damaged', async () => {
    const packed = zstdCompressSync(text)
    await fails(packed.subarray(0, packed.length - 12), 'corrupt', /zstd data ends too early/, /truncated/)
    packed.fill(0xff, 20, 60)
    await fails(packed, 'corrupt', /zstd data is damaged/, /zstd -t/)
  })
})

describe('xz', () => {
  const packed = spawnSync('xz', ['--stdout'], { input: text })
  const skip = packed.error === undefined ? false : 'there is no xz on this host'

  test('in pieces of any size', { skip }, async () => {
    for (const size of [1, 7, 100_000]) assert.equal(await faultsOf(packed.stdout, size), 1)
  })

  test('truncated', { skip }, async () => {
    const truncated = packed.stdout.subarray(0, packed.stdout.length - 20)
    await fails(truncated, 'corrupt', /xz data is damaged or truncated/, /xz -t/)
  })

  test('where the host has no such program', async () => {
    const { PATH = '' } = process.env
    process.env['PATH'] = temporaryDirectory()
    try {
      const beginning = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])
      await fails(beginning, 'unreadable', /program xz cannot be run/, /xz -d/)
    } finally {
      process.env['PATH'] = PATH
    }
  })
})

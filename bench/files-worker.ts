// One thread of bench/files.ts: reads and writes blocks of one file in a fixed random order, by one of the ways.

import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { AddressSpaceHandle } from '../src/index.ts'
import { BLOCK, type FilesTask, fillBlock, FINISHED, READY, STARTED } from './files-task.ts'

/** What a way of getting at a file has to be able to do. */
interface Access {
  /** Reads a block and returns where it is then. */
  read(block: number): Uint32Array
  /** Where the block is to be put together that `write` writes. */
  readonly source: Uint32Array
  write(block: number): void
  close(): void
}

async function throughMachine(handle: AddressSpaceHandle, address: number): Promise<Access> {
  const built = new URL('../dist/index.js', import.meta.url).href
  const { AddressSpace } = (await import(built)) as typeof import('../src/index.ts')
  const space = AddressSpace.attach(handle)
  const bytes = new Uint8Array(BLOCK)
  const words = new Uint32Array(bytes.buffer)
  return {
    source: words,
    read(block) {
      space.readInto(address + block * BLOCK, bytes)
      return words
    },
    write: (block) => space.write(address + block * BLOCK, bytes),
    close: () => space.machine.detach(),
  }
}

function throughSystemCalls(path: string): Access {
  const descriptor = openSync(path, 'r+')
  const shared = new Uint8Array(new SharedArrayBuffer(BLOCK))
  const words = new Uint32Array(shared.buffer)
  return {
    source: words,
    read(block) {
      readSync(descriptor, shared, 0, BLOCK, block * BLOCK)
      return words
    },
    write(block) {
      writeSync(descriptor, shared, 0, BLOCK, block * BLOCK)
    },
    close() {
      fdatasyncSync(descriptor)
      closeSync(descriptor)
    },
  }
}

/** The part of mmap-io's interface that is used. */
interface MmapIo {
  readonly PROT_READ: number
  readonly PROT_WRITE: number
  readonly MAP_SHARED: number
  map(size: number, protection: number, flags: number, descriptor: number): Buffer
  sync(buffer: Buffer): void
}

async function throughPackage(name: string, path: string, bytes: number): Promise<Access> {
  const loaded = (await import(name)) as { default: MmapIo }
  const mmap = loaded.default
  const descriptor = openSync(path, 'r+')
  const mapped = mmap.map(bytes, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, descriptor)
  const own = new Uint8Array(BLOCK)
  const words = new Uint32Array(own.buffer)
  return {
    source: words,
    read(block) {
      own.set(mapped.subarray(block * BLOCK, (block + 1) * BLOCK))
      return words
    },
    write: (block) => mapped.set(own, block * BLOCK),
    close() {
      mmap.sync(mapped)
      closeSync(descriptor)
    },
  }
}

const task = workerData as FilesTask
const { thread, threads, blocks, operations, pattern, versions, control, seed } = task
const part = Math.floor(blocks / threads)
const access =
  task.way.kind === 'faultline'
    ? await throughMachine(task.way.space, task.way.address)
    : task.way.kind === 'fs'
      ? throughSystemCalls(task.path)
      : await throughPackage(task.way.name, task.path, blocks * BLOCK)

let state = (seed * 2654435761 + thread * 40503 + 1) >>> 0

/** xorshift32: a number from 0 to below 1. */
function random(): number {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) / 2 ** 32
}

/** A block at random. */
function pick(): number {
  const hot = pattern === 'skewed' && random() < 0.9
  return Math.floor(random() * (hot ? blocks / 10 : blocks))
}

let wrong = 0

function scan(operation: number): void {
  const block = thread * part + (operation % part)
  const words = access.read(block)
  if (words[0] !== block || words[1] !== 0) wrong++
}

function operate(): void {
  const any = pick()
  if (random() < 0.5) {
    // Only its own blocks, so that what must be there in the end does not depend on the order of the threads.
    const block = Math.min(any - (any % threads) + thread, blocks - threads + thread)
    versions[block] = versions[block]! + 1
    fillBlock(access.source, block, versions[block]!)
    access.write(block)
    return
  }
  const words = access.read(any)
  if (words[0] !== any) wrong++
  if (any % threads === thread && words[1] !== versions[any]) wrong++
}

function work(from: number, to: number): void {
  for (let operation = from; operation < to; operation++) {
    if (pattern === 'sequential') scan(operation)
    else operate()
  }
}

// What is compiled once, and how the page cache fills, is not measured.
const warmUp = Math.ceil(operations / 2)
work(0, warmUp)
Atomics.add(control, READY, 1)
Atomics.notify(control, READY)
Atomics.wait(control, STARTED, 0)
work(warmUp, warmUp + operations)
Atomics.add(control, FINISHED, 1)
Atomics.notify(control, FINISHED)
parentPort!.postMessage(wrong)
access.close()

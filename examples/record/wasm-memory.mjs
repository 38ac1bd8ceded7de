// Four workers fill 16 MiB of WebAssembly memory, 20 times: node wasm-memory.mjs grow|once|reuse
//
// With grow, each time in a new memory that grows by pages of 64 KiB; with once, in a new one that has all; with reuse,
// in one that grows by pages and is used again.
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const PAGES = 256
const PAGE_BYTES = 65_536

if (isMainThread) {
  const failed = (code) => (process.exitCode ||= code)
  for (let i = 0; i < 4; i++)
    new Worker(new URL(import.meta.url), { workerData: process.argv[2] ?? 'grow' }).on('exit', failed)
} else {
  const create = () => new WebAssembly.Memory({ initial: workerData === 'once' ? PAGES : 1, maximum: 4096 })
  let memory = create()
  for (let round = 0; round < 20; round++) {
    if (workerData !== 'reuse') memory = create()
    for (let page = 0; page < PAGES; page++) {
      if (memory.buffer.byteLength === page * PAGE_BYTES) memory.grow(1)
      new Uint8Array(memory.buffer, page * PAGE_BYTES, PAGE_BYTES).fill(page)
    }
  }
}

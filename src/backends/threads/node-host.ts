// What the threads backend has of Node, in the package: its bundle asks `#host` for it, which is this module, or
// browser-host.ts where a bundler makes a program for a browser (the condition `browser`, and not `node`). In src, each
// module asks Node itself.
export { randomInt, randomUUID } from 'node:crypto'
export { once } from 'node:events'
export {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  readvSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  writevSync,
} from 'node:fs'
export { tmpdir, userInfo } from 'node:os'
export { join, resolve } from 'node:path'
export { setTimeout } from 'node:timers/promises'
export { fileURLToPath } from 'node:url'
export { Worker, getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads'

// Not from node:process, which looks at all that there is of it, and takes some 2 ms of CPU.
export const { Buffer, process } = globalThis

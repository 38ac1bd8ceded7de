// What the threads backend has of Node, in the package: its bundle asks `#host` for it, which is this module, or
// browser-host.ts where a bundler makes a program for a browser (the condition `browser`). In src, each module asks
// Node itself.
export { Buffer } from 'node:buffer'
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
export { default as process } from 'node:process'
export { setTimeout } from 'node:timers/promises'
export { fileURLToPath } from 'node:url'
export { Worker, getEnvironmentData, isMainThread, setEnvironmentData, threadId } from 'node:worker_threads'

// What the threads backend has of Node, in the package: its bundle asks `#host` for it, which is this module, or
// browser-host.ts where a bundler makes a program for a browser (the condition `browser`, and not `node`). In src, each
// module asks Node itself.
//
// Not by imports: one of node:fs or node:process looks at all that there is of it, which loads more of Node, 1 and 2 ms
// of CPU of each thread. node:crypto takes 4 ms, and only who makes a machine or a heap, or opens a file, needs it.

export const { Buffer, process } = globalThis
const { getBuiltinModule } = process

export const randomUUID = (): string => getBuiltinModule('node:crypto').randomUUID()
/** A whole number below `limit`, which is at most 2^48. */
export const randomInt = (limit: number): number => getBuiltinModule('node:crypto').randomInt(limit)
export const { once } = getBuiltinModule('node:events')
export const {
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
  statSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
  writeSync,
  writevSync,
} = getBuiltinModule('node:fs')
export const { tmpdir, userInfo } = getBuiltinModule('node:os')
export const { join, resolve } = getBuiltinModule('node:path')
export const { setTimeout } = getBuiltinModule('node:timers/promises')
export const { fileURLToPath } = getBuiltinModule('node:url')
export const { Worker, getEnvironmentData, isMainThread, markAsUncloneable, setEnvironmentData, threadId } =
  getBuiltinModule('node:worker_threads')

// The substitute for Node in a browser: see node-host.ts, which has the same names.
//
// There are no files, unless a program gives a thread a storage (Machine.setStorage): each operation of the file system
// is ENODEV. No event reports that a worker has ended or is about to: it must detach before. The page itself may not
// wait (Atomics.wait), so only workers can use a machine.

/** An operation that a browser does not have. */
function missing(name: string): () => never {
  return () => {
    throw Object.assign(new Error(`${name}: there is no such thing in a browser`), { code: 'ENODEV' })
  }
}

export const closeSync = missing('close')
export const existsSync = (): boolean => false
export const fdatasyncSync = missing('fdatasync')
export const fstatSync = missing('fstat')
export const ftruncateSync = missing('ftruncate')
export const linkSync = missing('link')
export const lstatSync = missing('lstat')
export const mkdirSync = missing('mkdir')
export const openSync = missing('open')
export const readFileSync = missing('readFile')
export const readdirSync = missing('readdir')
export const readlinkSync = missing('readlink')
export const readvSync = missing('readv')
export const statSync = missing('stat')
export const statfsSync = missing('statfs')
export const unlinkSync = missing('unlink')
export const writeFileSync = missing('writeFile')
export const writeSync = missing('write')
export const writevSync = missing('writev')
export const once = missing('once')
export const userInfo = missing('userInfo')
export const tmpdir = (): string => '/tmp'

/** Linux's values, which a storage gets. */
export const constants = {
  O_RDONLY: 0,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_NONBLOCK: 0o4000,
} as const

/** A path of a storage may be any text: one that is not absolute is relative to its root. */
export const join = (...parts: string[]): string => parts.join('/')
export const resolve = (path: string): string => (path.startsWith('/') ? path : `/${path}`)
export function fileURLToPath(url: URL): string {
  if (url.protocol !== 'file:') throw new TypeError(`${url.protocol} is not file:`)
  return decodeURIComponent(url.pathname)
}

export const randomUUID = (): string => crypto.randomUUID()
/** A whole number below `limit`, which is at most 2^32. */
export const randomInt = (limit: number): number =>
  Math.floor((crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32) * limit)

export const setTimeout = (milliseconds: number): Promise<void> =>
  new Promise((settle) => void globalThis.setTimeout(settle, milliseconds))

/** A number that no other worker of the page has. */
export const threadId = randomInt(2 ** 30)
export const isMainThread = false
export const getEnvironmentData = (): undefined => undefined
export const setEnvironmentData = (): void => {}
export const markAsUncloneable = undefined

/** The thread that writes files back cannot be started. */
export class Worker {
  constructor() {
    missing('writeback')()
  }

  terminate(): Promise<number> {
    return Promise.resolve(0)
  }
}

export const process = {
  pid: 1,
  platform: 'browser',
  getuid: undefined,
  /** Node warns that threads may die unnoticed; in a browser, they always do. */
  emitWarning(): void {},
  kill: missing('kill'),
  on(): void {},
  once(): void {},
}

interface SomeBytes {
  indexOf(wanted: Uint8Array): number
  toString(): string
}

/** As much of Node's class as is used. */
export const Buffer = {
  byteLength: (text: string): number => new TextEncoder().encode(text).length,

  compare(one: Uint8Array, other: Uint8Array): -1 | 0 | 1 {
    const length = Math.min(one.length, other.length)
    for (let index = 0; index < length; index++)
      if (one[index] !== other[index]) return one[index]! < other[index]! ? -1 : 1
    return one.length === other.length ? 0 : one.length < other.length ? -1 : 1
  },

  from(source: Uint8Array | ArrayBuffer, start = 0, length?: number): SomeBytes {
    // A copy of shared memory, which browsers do not decode.
    const bytes =
      source instanceof Uint8Array ? new Uint8Array(source) : new Uint8Array(source, start, length)
    return {
      indexOf(wanted: Uint8Array): number {
        const last = bytes.length - wanted.length
        for (
          let at = bytes.indexOf(wanted[0]!);
          at >= 0 && at <= last;
          at = bytes.indexOf(wanted[0]!, at + 1)
        )
          if (wanted.every((byte, index) => bytes[at + index] === byte)) return at
        return -1
      },
      toString: () => new TextDecoder().decode(bytes),
    }
  },
}

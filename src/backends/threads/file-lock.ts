// A machine locks its open files on disk against other machines, of this process and of others: each machine has a page
// cache of its own, so one would overwrite what the other has written.
//
// A state that all processes of the user share records who has which file, known by device and inode: see
// lock-journal.ts. A machine lives in one process, and holds its files for as long as one of its threads is attached.
// Each of these threads keeps a file open whose name has the number of the machine. The thread removes the file's entry
// in the folder at once, so only the descriptor remains, which the operating system closes with the thread or the
// process. To learn whether a machine lives, a thread looks for it among the descriptors of its process (/proc/PID/fd).
// Without /proc, it can only see whether the process lives.

import {
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { randomUUID } from 'node:crypto'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { MemoryError } from './errors.ts'
import { type JournalFolder, changeState } from './lock-journal.ts'
import {
  type MachineProcess,
  hasProc,
  isMachineAlive,
  isMakerAlive,
  presenceName,
  thisProcess,
  thisThread,
} from './lock-owners.ts'
import { storageErrorName } from './storage.ts'

/** A record that a machine has a file. */
interface Hold extends MachineProcess {
  /** Device and inode, see lockName(). */
  readonly file: string
  readonly write: boolean
  /** The generations of the files of the kernel heap that it serves, and the calls of threads that are opening one. */
  readonly uses: readonly string[]
}

interface State {
  readonly holds: readonly Hold[]
  /** The number of holds at which a thread looks for those of dead machines. */
  readonly limit: number
}

/** The least such number. */
const HOLDS_BEFORE_SWEEP = 32

/** What `take` returns: the right to open that file. */
export interface LockClaim {
  readonly file: string
  readonly use: string
}

/** The locks of one machine, as one thread sees them. */
export class FileLocks {
  readonly #machine: string
  #presence: number | null = null

  /** Makes this thread one of those that keep the machine's holds, if it can. */
  constructor(machine: string) {
    this.#machine = machine
    try {
      this.#appear()
    } catch {
      // A machine without files needs no folder: take() will report the error.
    }
  }

  /**
   * Takes a file for this machine. With `write`, no other machine may have it; otherwise no other machine may have it
   * for writing. Errors: EBUSY, and those of the folder.
   */
  take(file: string, write: boolean, path: string): LockClaim {
    const use = `${OPENING}${thisThread()} ${randomUUID()}`
    this.#attempt(path, () => {
      this.#appear()
      sweepFolder()
      this.#change((state) => this.#taken(state, file, write, use, path))
    })
    return { file, use }
  }

  /** The file is open in the kernel, as the one of that generation. */
  settle(claim: LockClaim, generation: number): void {
    this.#replaceUse(claim.file, claim.use, String(generation))
  }

  /** The file was not opened after all. Never throws, as `release`. */
  cancel(claim: LockClaim): void {
    this.#withdraw(claim.file, claim.use)
  }

  /** The kernel has freed that file. Never throws: a hold that cannot be released now is released with the machine. */
  release(file: string, generation: number): void {
    this.#withdraw(file, String(generation))
  }

  #withdraw(file: string, use: string): void {
    try {
      this.#replaceUse(file, use, null)
    } catch {
      // The folder was removed, or the disk is full.
    }
  }

  /**
   * This thread has detached. `last` says whether no other thread is attached. If one has died instead, a machine that
   * wants the file finds that out, if the operating system reports it.
   */
  leave(last: boolean): void {
    if (last && !hasProc()) {
      try {
        this.#change(({ holds, limit }) => {
          const others = holds.filter(({ machine }) => machine !== this.#machine)
          return others.length === holds.length ? null : { holds: others, limit }
        })
      } catch {
        // Released with the process.
      }
    }
    if (this.#presence !== null) closeSync(this.#presence)
    this.#presence = null
  }

  #appear(): void {
    if (this.#presence !== null) return
    const path = join(lockFolder(), `${presenceName(this.#machine)}.${thisThread()}`)
    this.#presence = openSync(path, 'a', 0o600)
    try {
      unlinkSync(path)
    } catch {
      // Another thread of the machine was faster.
    }
  }

  #taken({ holds, limit }: State, file: string, write: boolean, use: string, path: string): State | null {
    const rest: Hold[] = []
    let own: Hold | undefined
    for (const hold of holds.map(withoutDead)) {
      if (hold.uses.length === 0) continue
      if (hold.file !== file) rest.push(hold)
      else if (hold.machine === this.#machine) own = hold
      else if (isMachineAlive(hold)) {
        if (write || hold.write) throw busy(hold, path)
        rest.push(hold)
      }
    }
    // Another process has built on the change that this call has made already.
    if (own?.uses.includes(use) === true) return null
    const uses = [...(own?.uses ?? []), use]
    rest.push({ file, machine: this.#machine, ...thisProcess(), write: write || own?.write === true, uses })
    if (rest.length < limit) return { holds: rest, limit }
    const living = rest.filter((hold) => hold.machine === this.#machine || isMachineAlive(hold))
    return { holds: living, limit: Math.max(HOLDS_BEFORE_SWEEP, 2 * living.length) }
  }

  #replaceUse(file: string, use: string, by: string | null): void {
    this.#change(({ holds, limit }) => {
      const own = holds.find((hold) => hold.file === file && hold.machine === this.#machine)
      if (own?.uses.includes(use) !== true) return null
      const uses = own.uses.filter((one) => one !== use && one !== by)
      if (by !== null) uses.push(by)
      const rest = holds.filter((hold) => hold !== own)
      return { holds: uses.length === 0 ? rest : [...rest, { ...own, uses }], limit }
    })
  }

  #change(change: (state: State) => State | null): void {
    const folder = new StateFolder(join(lockFolder(), 'states'))
    const steps = changeState(folder, (text) => {
      const next = change(parseState(text))
      return next === null ? null : JSON.stringify(next)
    })
    while (steps.next().done !== true);
  }

  #attempt(path: string, body: () => void): void {
    try {
      body()
    } catch (error) {
      if (error instanceof MemoryError) throw error
      const detail = `${path} cannot be locked: ${(error as Error).message}; { lock: false } opens it without`
      throw new MemoryError(storageErrorName(error), 'open', detail, { cause: error })
    }
  }
}

const OPENING = 'opening '

/** A hold without the calls of threads that have ended in the middle of them. */
function withoutDead(hold: Hold): Hold {
  const uses = hold.uses.filter((use) => !use.startsWith(OPENING) || isMakerAlive(use.split(' ')[1]!))
  return uses.length === hold.uses.length ? hold : { ...hold, uses }
}

function busy({ pid, write, namespace }: Hold, path: string): MemoryError {
  const elsewhere =
    namespace === thisProcess().namespace
      ? ''
      : ` in another container (if that is gone, remove ${lockFolder()})`
  const detail =
    `${path} is open for ${write ? 'writing' : 'reading'} in a machine of process ${pid}${elsewhere}; ` +
    `{ lock: false } opens it all the same, and one may write over what the other has written`
  return new MemoryError('EBUSY', 'open', detail)
}

/** A text that is no state, as after a crash of the system, counts as an empty one. */
function parseState(text: string): State {
  try {
    const state = JSON.parse(text) as State
    if (Array.isArray(state.holds) && typeof state.limit === 'number') return state
  } catch {
    // Empty at first.
  }
  return { holds: [], limit: HOLDS_BEFORE_SWEEP }
}

// ---------------------------------------------------------------------------------------------------------------------
// The folder

class StateFolder implements JournalFolder {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    mkdirSync(path, { recursive: true, mode: 0o700 })
  }

  list(): number[] {
    return readdirSync(this.#path).map(Number)
  }

  read(number: number): string | null {
    return unless('ENOENT', () => readFileSync(join(this.#path, String(number)), 'utf8'))
  }

  create(number: number, content: string): boolean {
    const draft = `${this.#path}-${randomUUID()}.${thisThread()}`
    writeFileSync(draft, content, { mode: 0o600, flag: 'wx' })
    try {
      return unless('EEXIST', () => linkSync(draft, join(this.#path, String(number))) ?? true) ?? false
    } finally {
      unlinkSync(draft)
    }
  }

  remove(number: number): void {
    unless('ENOENT', () => unlinkSync(join(this.#path, String(number))))
  }
}

/**
 * Removes temporary files of threads that ended before they could. The names of these files end with that of their
 * maker.
 */
function sweepFolder(): void {
  const folder = lockFolder()
  for (const name of readdirSync(folder)) {
    const maker = name.split('.')[1]
    if (maker !== undefined && !isMakerAlive(maker)) unless('ENOENT', () => unlinkSync(join(folder, name)))
  }
}

/** The result of `body`, or null if the file system fails with `code`. */
function unless<T>(code: string, body: () => T): T | null {
  try {
    return body()
  } catch (error) {
    if ((error as { code?: unknown }).code === code) return null
    throw error
  }
}

let verifiedFolder: string | null = null

/**
 * The folder of this user; makes it if necessary. Avoids environment variables where possible: processes with different
 * environments would not see each other.
 */
function lockFolder(): string {
  if (verifiedFolder !== null) return verifiedFolder
  let reason: unknown
  for (const parent of process.platform === 'linux' ? ['/dev/shm', tmpdir()] : [tmpdir()]) {
    try {
      verifiedFolder = ownFolder(join(parent, `faultline-${process.getuid?.() ?? userInfo().username}`))
      return verifiedFolder
    } catch (error) {
      reason ??= error
    }
  }
  throw reason
}

function ownFolder(path: string): string {
  unless('EEXIST', () => mkdirSync(path, { mode: 0o700 }))
  const { uid, mode } = lstatSync(path)
  const isOwn = process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0)
  if (!lstatSync(path).isDirectory() || !isOwn) {
    const message = `${path} is not a folder that only this user can use`
    throw Object.assign(new Error(message), { code: 'EACCES' })
  }
  return path
}

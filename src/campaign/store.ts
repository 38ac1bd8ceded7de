// Where results are kept: an SQLite file. Jobs with a result in it do not run again, whoever ran them.
//
// A result is written at once and in one piece: if a process is killed, the file has every result that it has
// reported. Writing an existing result changes nothing, so that it does not matter who writes it, or how often.

import { existsSync } from 'node:fs'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Job, JobResult } from './job.ts'
import type { Outcome } from './task.ts'

/** Changes when what the tables mean does. */
const VERSION = 1
/** How long another process may be writing. */
const BUSY_MS = 10_000

// Codes of SQLite.
const IO_ERROR = 10
const FULL = 13
const NOT_A_DATABASE = 26

/** The store cannot be used, or not any more. What it holds is whole. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed'
  readonly remedy: string

  constructor(message: string, remedy: string, cause?: unknown) {
    super(message, { cause })
    this.remedy = remedy
  }
}

export class Store {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #find: StatementSync
  readonly #add: StatementSync
  readonly #findSlice: StatementSync
  readonly #addSlice: StatementSync
  readonly #removeSlices: StatementSync

  private constructor(file: string, database: DatabaseSync) {
    this.#file = file
    this.#database = database
    this.#find = database.prepare('SELECT result, seconds FROM results WHERE key = ?')
    this.#add = database.prepare(
      'INSERT OR IGNORE INTO results (key, job, result, seconds) VALUES (?, ?, ?, ?)',
    )
    this.#findSlice = database.prepare('SELECT result, seconds FROM slices WHERE key = ? AND number = ?')
    this.#addSlice = database.prepare(
      'INSERT OR IGNORE INTO slices (key, number, result, seconds) VALUES (?, ?, ?, ?)',
    )
    this.#removeSlices = database.prepare('DELETE FROM slices WHERE key = ?')
  }

  /** Opens or makes the file; without one, results are kept in memory. @throws StoreFailed */
  static open(file: string | null): Store {
    let database: DatabaseSync | undefined
    try {
      // Asked for only here: a Node without it is to say so in words (see threads/node-version.ts).
      const sqlite = process.getBuiltinModule('node:sqlite')
      database = new sqlite.DatabaseSync(file ?? ':memory:', { timeout: BUSY_MS })
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      const { user_version: version } = database.prepare('PRAGMA user_version').get() as {
        user_version: number
      }
      if (version !== 0 && version !== VERSION)
        throw new StoreFailed(`the store ${file} was written by another version`, 'give another file')
      database.exec(`BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, job TEXT, result TEXT, seconds REAL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS slices (key TEXT, number INTEGER, result TEXT, seconds REAL,
          PRIMARY KEY (key, number)) WITHOUT ROWID;
        PRAGMA user_version = ${VERSION};
        COMMIT`)
      return new Store(file ?? 'in memory', database)
    } catch (error) {
      database?.close()
      throw error instanceof StoreFailed ? error : failureOf(file ?? 'in memory', error)
    }
  }

  /** What is known of a job; null if nothing is. */
  find(key: string, job: Job): JobResult | null {
    const row = this.#find.get(key) as { result: string; seconds: number } | undefined
    if (row === undefined) return null
    return { key, job, result: JSON.parse(row.result) as never, seconds: row.seconds } as JobResult
  }

  /** Of the end of a job. Its slices are not needed any more. @throws StoreFailed where there is no room */
  add({ key, job, result, seconds }: JobResult): void {
    this.#write(() => {
      this.#add.run(key, JSON.stringify(job), JSON.stringify(result), seconds)
      this.#removeSlices.run(key)
    })
  }

  /** What came of a part of a job that is not at its end. */
  findSlice(key: string, number: number): Outcome | null {
    const row = this.#findSlice.get(key, number) as { result: string; seconds: number } | undefined
    return row === undefined ? null : { value: JSON.parse(row.result) as unknown, seconds: row.seconds }
  }

  /** @throws StoreFailed where there is no room */
  addSlice(key: string, number: number, { value, seconds }: Outcome): void {
    this.#write(() => this.#addSlice.run(key, number, JSON.stringify(value), seconds))
  }

  /** Takes in what other stores hold. Returns how many results were new. @throws StoreFailed */
  merge(file: string): number {
    if (!existsSync(file)) throw new StoreFailed(`the store ${file} does not exist`, 'check the path')
    const other = Store.open(file)
    let added = 0
    try {
      const rows = other.#database.prepare('SELECT key, job, result, seconds FROM results').iterate()
      this.#write(() => {
        this.#database.exec('BEGIN')
        for (const { key, job, result, seconds } of rows)
          added += Number(this.#add.run(key!, job!, result!, seconds!).changes)
        this.#database.exec('COMMIT')
      })
    } finally {
      other.close()
    }
    return added
  }

  /** For tests: the file may not grow beyond so many pages, as if the disk were full. */
  limitPages(count: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${count}`)
  }

  close(): void {
    this.#database.close()
  }

  #write(body: () => void): void {
    try {
      body()
    } catch (error) {
      throw failureOf(this.#file, error)
    }
  }
}

function failureOf(file: string, error: unknown): unknown {
  const { errcode, message } = error as { errcode?: number; message: string }
  if (errcode === undefined) return error
  const code = errcode & 0xff
  if (code === FULL || code === IO_ERROR) {
    const remedy = 'make room: what was written is whole, and the same command goes on from there'
    return new StoreFailed(`the store ${file} cannot be written: ${message}`, remedy, error)
  }
  if (code === NOT_A_DATABASE)
    return new StoreFailed(`${file} is not a store: it is another kind of file`, 'give another file', error)
  return new StoreFailed(
    `the store ${file} cannot be used: ${message}`,
    'check the path and its permissions',
    error,
  )
}

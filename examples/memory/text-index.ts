// Looking words up in an index that is in a file: the time until a program that has just been started has answered a
// hundred questions, each by the places of a word in a text, and the text there.
//
// With Faultline, text and index are mapped; only the pages that a question needs are read. In plain JavaScript the
// index is JSON, which is read and parsed whole; or it has the same form as with Faultline, and is read by readSync,
// a few bytes at a time; or it is a database's.

import { openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Machine } from 'faultline/memory'
import { sideBySide } from './side-by-side.ts'

const KINDS = 50_000
const QUESTIONS = 100
/** Places that are told of a word. */
const TOLD = 5

/** The index: for each word, in the order of the alphabet, where it is, how often, and where its places begin. */
const ROW = 24
const TEXT_IN_ROW = 16

/** Every word as often as others, in an order that looks like any; each with a space behind it. */
function* words(count: number): Generator<string> {
  for (let n = 0; n < count; n++) yield wordAt(n)
}

function wordAt(n: number): string {
  return wordOf((Math.imul(n, 0x9e37_79b1) >>> 0) % KINDS)
}

function wordOf(number: number): string {
  return `${(Math.imul(number + 1, 48_271) >>> 0).toString(36)}`
}

/** Writes text and index, in both forms. */
async function prepare(count: number, folder: string): Promise<void> {
  const index = new Map<string, number[]>()
  let at = 0
  const all: string[] = []
  for (const word of words(count)) {
    all.push(word)
    const list = index.get(word)
    if (list === undefined) index.set(word, [at])
    else list.push(at)
    at += word.length + 1
  }
  writeFileSync(join(folder, 'text'), `${all.join(' ')} `)
  const sorted = [...index].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const table = Buffer.alloc(ROW * sorted.length)
  const list = new Uint32Array(all.length)
  let filled = 0
  for (const [row, [word, found]] of sorted.entries()) {
    table.write(word, ROW * row, TEXT_IN_ROW, 'latin1')
    table.writeUint32LE(found.length, ROW * row + TEXT_IN_ROW)
    table.writeUint32LE(filled, ROW * row + TEXT_IN_ROW + 4)
    list.set(found, filled)
    filled += found.length
  }
  store(all, folder)
  writeFileSync(join(folder, 'rows'), table)
  writeFileSync(join(folder, 'places'), list)
  writeFileSync(join(folder, 'json'), JSON.stringify(Object.fromEntries(sorted)))
}

function store(all: readonly string[], folder: string): void {
  const database = new DatabaseSync(join(folder, 'database'))
  database.exec('PRAGMA synchronous = OFF; CREATE TABLE places (word TEXT, place INTEGER); BEGIN')
  const insert = database.prepare('INSERT INTO places VALUES (?, ?)')
  let at = 0
  for (const word of all) {
    insert.run(word, at)
    at += word.length + 1
  }
  database.exec('COMMIT; CREATE INDEX words ON places (word, place)')
  database.close()
}

/** Bytes of a file. */
type Reader = (at: number, length: number) => Uint8Array

interface Answer {
  readonly word: string
  readonly count: number
  readonly places: readonly number[]
  readonly text: readonly string[]
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')

/** Looks a word up by halving the rows. */
function lookUp(word: string, rowCount: number, rows: Reader, places: Reader, text: Reader): Answer {
  let [low, high] = [0, rowCount]
  while (low < high) {
    const middle = (low + high) >>> 1
    const name = latin1(rows(ROW * middle, TEXT_IN_ROW)).replace(/\0+$/, '')
    if (name < word) low = middle + 1
    else high = middle
  }
  const numbers = viewOf(rows(ROW * low + TEXT_IN_ROW, 8))
  const [count, first] = [numbers.getUint32(0, true), numbers.getUint32(4, true)]
  const told = Math.min(count, TOLD)
  const list = viewOf(places(4 * first, 4 * told))
  const found = Array.from({ length: told }, (_, index) => list.getUint32(4 * index, true))
  return { word, count, places: found, text: found.map((at) => latin1(text(at, word.length))) }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

const questions = (count: number): string[] =>
  Array.from({ length: QUESTIONS }, (_, n) => wordAt((37 * n) % count))

async function mapped(count: number, _: string, files: string): Promise<Answer[]> {
  const machine = Machine.create({ memory: '64MiB', cpus: 1 })
  const space = machine.createAddressSpace()
  const open = (name: string): { reader: Reader; size: number } => {
    const file = machine.openFile(join(files, name), { mode: 'r' })
    const base = space.mmap(file.size, { file, protection: 'r', shared: true })
    return { reader: (at, length) => space.read(base + at, length), size: file.size }
  }
  const [rows, places, text] = [open('rows'), open('places'), open('text')]
  return questions(count).map((word) =>
    lookUp(word, rows.size / ROW, rows.reader, places.reader, text.reader),
  )
}

async function parsed(count: number, _: string, files: string): Promise<Answer[]> {
  const index = JSON.parse(readFileSync(join(files, 'json'), 'utf8')) as Record<string, number[]>
  const text = readFileSync(join(files, 'text'))
  return questions(count).map((word) => {
    const list = index[word]!
    const places = list.slice(0, TOLD)
    return {
      word,
      count: list.length,
      places,
      text: places.map((at) => latin1(text.subarray(at, at + word.length))),
    }
  })
}

async function read(count: number, _: string, files: string): Promise<Answer[]> {
  const open = (name: string): Reader => {
    const file = openSync(join(files, name), 'r')
    return (at, length) => {
      const bytes = new Uint8Array(length)
      readSync(file, bytes, 0, length, at)
      return bytes
    }
  }
  const rowCount = statSync(join(files, 'rows')).size / ROW
  const [rows, places, text] = [open('rows'), open('places'), open('text')]
  return questions(count).map((word) => lookUp(word, rowCount, rows, places, text))
}

async function queried(count: number, _: string, files: string): Promise<Answer[]> {
  const database = new DatabaseSync(join(files, 'database'), { readOnly: true })
  const counting = database.prepare('SELECT count(*) AS count FROM places WHERE word = ?')
  const first = database.prepare('SELECT place FROM places WHERE word = ? ORDER BY place LIMIT ?')
  const file = openSync(join(files, 'text'), 'r')
  const answers = questions(count).map((word) => {
    const places = first.all(word, TOLD).map((row) => (row as { place: number }).place)
    const text = places.map((at) => {
      const bytes = new Uint8Array(word.length)
      readSync(file, bytes, 0, word.length, at)
      return latin1(bytes)
    })
    return { word, count: (counting.get(word) as { count: number }).count, places, text }
  })
  database.close()
  return answers
}

await sideBySide(import.meta.url, {
  title: 'a hundred questions to an index in a file',
  prepare,
  sides: { faultline: mapped, 'JSON, parsed': parsed, 'readSync each': read, 'node:sqlite': queried },
  small: 20_000,
  full: 1_000_000,
  unit: 'words in the text',
})

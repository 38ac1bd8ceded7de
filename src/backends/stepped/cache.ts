// Steppable forms that are kept in files, for processes that load the same program one after the other: commands that
// step the kernel, the threads of one check, the tests of the checker.
//
// A form is taken only where every source that it was made from, and the transform, are as they were. Where an import
// leads is not looked at again. In what is shipped it leads where it always did: such forms are kept, in a folder of
// the user's or in one that the environment names, and no others.
//
// The form of each module of Faultline is kept by itself as well, with all that it was made of as its key: programs
// with other entries, or with a patch, have most of them in common.

import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { threadId } from 'node:worker_threads'
// As a whole: an older Node lacks names of it, and is to say so in words (see threads/node-version.ts).
import * as zlib from 'node:zlib'
import type { ProgramModule } from './program.ts'
import type { Site } from './sites.ts'
import { userFolder } from './user-folder.ts'

/** What is needed of a module when its text is there. */
export interface ModuleOutline extends Pick<ProgramModule, 'imports' | 'format' | 'digest' | 'thread'> {
  /** Of a CommonJS module, what others can import from it by name. */
  readonly names: readonly string[]
  /** It may look at the global object, or change it. */
  readonly isGlobal: boolean
}

/** A program in its steppable form. */
export interface SteppedForm {
  readonly entries: readonly string[]
  readonly modules: ReadonlyMap<string, ModuleOutline>
  /** By the address of the module. */
  readonly texts: ReadonlyMap<string, string>
  readonly sites: Site[]
  /** See Program. */
  readonly found: ReadonlyMap<string, string | null>
}

interface StoredModule extends Omit<ModuleOutline, 'imports'> {
  readonly url: string
  /** Digest of the file, as it was read. */
  readonly source: string
  readonly imports: readonly (readonly [string, string])[]
  readonly text: string
}

interface StoredForm {
  readonly entries: readonly string[]
  readonly modules: readonly StoredModule[]
  readonly sites: Site[]
  readonly found: readonly (readonly [string, string | null])[]
}

/** A form is written far more often than it is met again. */
const FAST = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } }

const packageRoot = new URL('../../../', import.meta.url).href
let transform: string | null = null

/**
 * The form that `make` gives for what `key` names, or what an earlier process was given for it. All of it is part of
 * Faultline.
 */
export async function cachedForm(key: string, make: () => Promise<SteppedForm>): Promise<SteppedForm> {
  const folder = formFolder()
  if (folder === null) return make()
  const file = fileOf(folder, key)
  const present = readForm(file)
  if (present !== null) return present
  const form = await make()
  writeForm(folder, file, form)
  return form
}

/** What `make` gives for the module `url` and all that `key` tells, or what an earlier process was given for it. */
export function keptInFolder<Value>(url: string, key: string, make: () => Value): Value {
  const parent = url.startsWith(packageRoot) ? formFolder() : null
  if (parent === null) return make()
  const folder = join(parent, 'modules')
  const file = fileOf(folder, `${url} ${key}`)
  try {
    return readStored(file) as Value
  } catch {
    const value = make()
    writeStored(folder, file, value)
    return value
  }
}

function fileOf(folder: string, key: string): string {
  transform ??= transformDigest()
  return join(folder, `${sha256(`${transform} ${key}`)}.json.zst`)
}

function formFolder(): string | null {
  const named = process.env['FAULTLINE_STEPPED_CACHE']
  if (named !== undefined) return named === '' ? null : named
  try {
    return userFolder('forms')
  } catch {
    // No room, no right, or another user's.
    return null
  }
}

function readForm(file: string): SteppedForm | null {
  try {
    const { entries, modules, sites, found } = readStored(file) as StoredForm
    if (modules.some(({ url, source }) => sourceDigest(url) !== source)) return null
    return {
      entries,
      modules: new Map(
        modules.map((module) => [module.url, { ...module, imports: new Map(module.imports) }]),
      ),
      texts: new Map(modules.map(({ url, text }) => [url, text])),
      sites,
      found: new Map(found),
    }
  } catch {
    // Not there, or a source is not: it is made anew.
    return null
  }
}

function writeForm(
  parent: string,
  file: string,
  { entries, modules, texts, sites, found }: SteppedForm,
): void {
  const stored = [...modules].map(([url, { imports, ...outline }]): StoredModule => {
    const [source, text] = [sourceDigest(url), texts.get(url)!]
    return { ...outline, url, source, imports: [...imports], text }
  })
  writeStored(parent, file, { entries, modules: stored, sites, found: [...found] } satisfies StoredForm)
}

/** Throws where it is not there, or not whole. */
function readStored(file: string): unknown {
  return JSON.parse(zlib.zstdDecompressSync(readFileSync(file)).toString())
}

function writeStored(parent: string, file: string, value: unknown): void {
  try {
    mkdirSync(parent, { recursive: true })
    // Whole or not at all: others may read or write the same.
    const draft = `${file}.${process.pid}.${threadId}`
    writeFileSync(draft, zlib.zstdCompressSync(JSON.stringify(value), FAST))
    renameSync(draft, file)
  } catch {
    // No room, or no right to write there: the next process makes it anew, as without the folder.
  }
}

function sourceDigest(url: string): string {
  return sha256(readFileSync(fileURLToPath(url), 'utf8'))
}

/** Of what makes the form: this folder's code and the engine. */
function transformDigest(): string {
  const own = new URL('.', import.meta.url)
  const files = readdirSync(own, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[jt]s$/.test(name))
    .toSorted()
  const code = files.map((name) => readFileSync(new URL(name, own), 'utf8'))
  return `${process.version} ${sha256(code.join('\0'))}`
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

// The version of the code: a result is valid only for the code that computed it, and processes that share a campaign
// must run the same code.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What can be asked for. */
export type JobKind = 'check' | 'simulate' | 'replay'

/** This package, and what of it runs: `src`, or what was built of it. */
const here = fileURLToPath(new URL('..', import.meta.url))
const manifest = fileURLToPath(new URL('../../package.json', import.meta.url))
/** The stepped kernel is made from its source, which lies beside what was built. */
const kernel = join(here, existsSync(join(here, 'src')) ? 'src/kernel' : 'kernel')

/** What a job of each kind runs. A change anywhere else leaves its results what they are. */
const floors: Readonly<Record<JobKind, readonly string[]>> = {
  check: ['backends/stepped', 'check'],
  simulate: ['backends/stepped', 'check', 'simulate', 'workloads'],
  replay: ['backends/threads', 'trace', 'workloads', 'report/replay-report'],
}
/** What cuts a campaign into jobs and puts their results together. */
const own = 'campaign'

const digests = new Map<string, string>()

/** Digest of all code that has a part in the results of jobs of a kind; without one, of jobs of any kind. */
export function codeDigest(kind?: JobKind): string {
  const parts = kind === undefined ? [...new Set(Object.values(floors).flat())] : floors[kind]
  const name = parts.join()
  const known = digests.get(name)
  if (known !== undefined) return known
  const hash = createHash('sha256')
  const { dependencies } = JSON.parse(readFileSync(manifest, 'utf8')) as { dependencies: unknown }
  hash.update(JSON.stringify(dependencies))
  const files = [kernel, ...[...parts, own].map((part) => join(here, part))].flatMap(modulesOf)
  for (const file of files.toSorted()) {
    const [folder, path] = file.startsWith(kernel)
      ? ['kernel', file.slice(kernel.length)]
      : ['', file.slice(here.length)]
    hash
      .update(`${folder}${path.replaceAll('\\', '/')}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  const digest = hash.digest('hex')
  digests.set(name, digest)
  return digest
}

/** The modules of a folder; or the one of that name. */
function modulesOf(path: string): string[] {
  if (!existsSync(path)) return [`${path}.ts`, `${path}.js`].filter((file) => existsSync(file))
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.d)\.[tj]s$/.test(file))
    .map((file) => join(path, file))
}

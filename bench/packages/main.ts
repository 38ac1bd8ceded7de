// Published packages under the checker: `npm run packages`, with `--only NAME` (or a part of it), `--again`, and
// `--folder FOLDER` for what is installed.
//
// Principles: each package is installed as it is published, in a folder of its own, and checked by what is built here,
// as by a user. What has been found with this code is kept beside, so that a run goes on where it was stopped.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Row, table } from './table.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const scripts = fileURLToPath(new URL('scripts/', import.meta.url))
const command = join(root, 'dist/cli/main.js')
const code = readFileSync(join(root, 'dist/.digest'), 'utf8')

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    again: { type: 'boolean', default: false },
    folder: { type: 'string', default: join(tmpdir(), 'faultline-packages') },
    seconds: { type: 'string', default: '120' },
  },
})
const { only, again, folder, seconds } = values

interface Found {
  /** As in the table. */
  readonly result: string
  readonly executions: number
  readonly seconds: number
  readonly text: string
}

interface Kept {
  readonly code: string
  readonly found: Record<string, Found>
}

mkdirSync(folder, { recursive: true })
const store = join(folder, 'results.json')
const kept = readKept()
const wanted = table.filter(({ packages }) => only === undefined || packages[0]!.includes(only))
if (wanted.length === 0) throw new RangeError(`--only ${only}: no package has this in its name`)

let failures = 0
for (const row of wanted) {
  const key = `${row.packages.join(' ')} ${row.file}`
  const found = (again ? undefined : kept.found[key]) ?? checkRow(row)
  kept.found[key] = found
  writeFileSync(store, JSON.stringify(kept))
  const isMet = found.result === row.expected && found.text.includes(row.finding ?? '')
  if (!isMet) failures++
  const [name] = row.packages
  const cells = [name!, row.file, found.result, `${found.executions}`, `${found.seconds.toFixed(1)} s`]
  console.log(`${isMet ? 'ok ' : 'NOT'}  ${cells.join('  ')}`)
  if (!isMet || found.result === 'fail') console.log(found.text.replaceAll(/^/gm, '       '))
  if (!isMet) console.log(`       expected: ${row.expected} ${row.finding ?? ''}`)
}
console.log(`${wanted.length - failures} of ${wanted.length} as expected`)
process.exitCode = failures > 0 ? 1 : 0

function readKept(): Kept {
  if (existsSync(store)) {
    const present = JSON.parse(readFileSync(store, 'utf8')) as Kept
    if (present.code === code) return present
  }
  return { code, found: {} }
}

function checkRow({ packages, file, options = [] }: Row): Found {
  const own = join(folder, file.replaceAll('.', '-'))
  install(own, packages)
  for (const each of readdirSync(scripts)) copyFileSync(join(scripts, each), join(own, each))
  const isCheck = file.endsWith('.check.mjs')
  const check = isCheck ? file : 'check.mjs'
  if (!isCheck)
    writeFileSync(join(own, check), `export default { threads: [new URL('./${file}', import.meta.url)] }\n`)
  const begun = performance.now()
  const args = [command, 'check', check, '--json', '--seconds', seconds, ...options]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: own, encoding: 'utf8' })
  return { ...resultOf(stdout, stderr), seconds: (performance.now() - begun) / 1000 }
}

function install(own: string, packages: readonly string[]): void {
  if (existsSync(join(own, 'package-lock.json'))) return
  mkdirSync(own, { recursive: true })
  writeFileSync(join(own, 'package.json'), '{ "private": true }\n')
  const args = ['install', '--save-exact', '--ignore-scripts', '--no-audit', '--no-fund', ...packages]
  const { status, stderr } = spawnSync('npm', args, { cwd: own, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`)
}

/** What the command has printed: an object, or why it checks nothing. */
function resultOf(stdout: string, stderr: string): Omit<Found, 'seconds'> {
  // Beside it stands what the package itself prints.
  const line = stdout.split('\n').find((each) => each.startsWith('{"scenario"'))
  if (line === undefined) return { result: 'refused', executions: 0, text: stderr.trim() }
  const found = JSON.parse(line) as {
    readonly verdict: 'pass' | 'fail' | 'incomplete'
    readonly executions: number
    readonly bound: number | null
    readonly failure: { readonly kind: string; readonly message: string } | null
  }
  const { verdict, executions, failure } = found
  const text = `${failure === null ? '' : `${failure.kind}: ${failure.message}`}\n${stderr}`.trim()
  if (verdict !== 'pass') return { result: verdict, executions, text }
  if (found.bound !== null) return { result: 'bounded', executions, text }
  return { result: 'every interleaving', executions, text }
}

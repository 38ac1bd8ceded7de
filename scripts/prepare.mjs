// Makes the checkout ready to run, from whatever state it is in: installs what is missing, then builds what is out of
// date. Says in one line what it does, and nothing where there is nothing to do. Runs under the Node that the machine
// has (20 or newer), so it uses built-in modules only.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from './lock.mjs'
import { dist, root } from './paths.mjs'
import { passThrough } from './spawn.mjs'

/** Where the pinned Node cannot run, a Node this new runs everything too: it runs TypeScript as it stands. */
const oldestFallback = [24, 12]
/** Inside dist: the digest of what it was built from. */
export const digestFile = '.digest'

/** A failure to prepare, told without a stack. */
export class PreparationError extends Error {}

/**
 * Installs and builds what is missing, alone even where several start at once.
 *
 * @returns {Promise<string>} the Node to run everything with: the pinned one
 * @throws {PreparationError} with a remedy
 */
export async function prepare({ build = true } = {}) {
  const node = await withLock(async () => {
    const lock = readLock(join(root, 'package-lock.json'))
    if (!isInstalled(lock)) await install()
    return findNode(lock['node_modules/node'].version)
  })
  if (build && !isBuilt()) {
    // It takes the lock itself, and keeps it even if this process dies. What it says is not the output that was asked
    // for.
    const args = [join(root, 'scripts/build.mjs'), '--if-needed']
    const code = await passThrough(node, args, { stdio: ['ignore', 2, 2] })
    if (code !== 0) throw new PreparationError('the build failed; what it found stands above')
  }
  return node
}

/**
 * Runs a script's main function; what `prepare` cannot do becomes a message and exit code 2.
 *
 * @param {(args: string[]) => Promise<number>} main returns the exit code
 */
export async function runMain(main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof PreparationError)) throw error
    say(error.message)
    process.exitCode = 2
  }
}

/** How npm is run: it tells of errors only. */
const quiet = {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, npm_config_loglevel: 'error', npm_config_audit: 'false', npm_config_fund: 'false' },
}

/** Tells the user what happens, beside the output that was asked for. */
export function say(line) {
  console.error(`faultline: ${line}`)
}

function readLock(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages
}

/** True where node_modules holds what the lockfile names. npm writes its record of an installation last. */
function isInstalled(lock) {
  const record = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(record)) return false
  const installed = readLock(record)
  return Object.entries(lock).every(([path, wanted]) => {
    if (path === '') return true
    const found = installed[path]
    // Another platform's binaries are named in the lockfile and not installed.
    return found === undefined ? wanted.optional === true : found.version === wanted.version
  })
}

async function install() {
  say('installing development packages (npm ci)')
  // Scripts are left out, because whether npm runs them depends on its version and settings: see `findNode`.
  const code = await npm('ci', '--ignore-scripts', '--include=dev')
  if (code === 0) return
  throw new PreparationError(
    'npm ci failed; it needs the network, or a full npm cache, and write access to node_modules',
  )
}

/**
 * The package `node` holds no binary: its install script fetches the one for this platform and links it to bin/node.
 * npm may have refused to run that script, so it is run here where the binary is missing.
 */
async function findNode(version) {
  const directory = join(root, 'node_modules/node')
  const binary = join(directory, process.platform === 'win32' ? 'bin/node.exe' : 'bin/node')
  if (versionOf(binary) === version) return binary
  say(`installing Node ${version} for this checkout`)
  // What an install that was cut off has left would be taken for whole.
  for (const remains of [binary, join(directory, 'node_modules')])
    rmSync(remains, { recursive: true, force: true })
  await passThrough(machineNode(), ['installArchSpecificPackage.js'], { cwd: directory, ...quiet })
  if (versionOf(binary) === version) {
    // npm links a command into node_modules/.bin only where its file exists.
    await npm('rebuild', '--ignore-scripts', 'node')
    return binary
  }
  // Out of the way: `npm run` would find it before the Node that works.
  rmSync(binary, { force: true })
  const other = versionOf(machineNode())
  const [major, minor] = (other ?? '0.0').split('.').map(Number)
  if (major > oldestFallback[0] || (major === oldestFallback[0] && minor >= oldestFallback[1])) {
    say(`Node ${version} does not run on this machine; using its Node ${other}`)
    return machineNode()
  }
  throw new PreparationError(
    `Node ${version} could not be installed for ${process.platform}-${process.arch}: the npm package node brought ` +
      'no binary that runs here; check the network, or install ' +
      `Node ${oldestFallback.join('.')} or newer yourself and run this again`,
  )
}

/** Runs the npm that started this, or else the one of the machine. */
function npm(...args) {
  const path = process.env.npm_execpath
  return path?.endsWith('.js')
    ? passThrough(machineNode(), [path, ...args], quiet)
    : passThrough('npm', args, { ...quiet, shell: process.platform === 'win32' }).catch((error) => {
        throw new PreparationError(`npm does not run (${error.code}); install it, or start this with npm`)
      })
}

/** The Node of the machine. This process may be the pinned one, which an install takes away. */
function machineNode() {
  return [process.env.npm_node_execpath, process.execPath].find((path) => path && existsSync(path)) ?? 'node'
}

function versionOf(binary) {
  const { status, stdout } = spawnSync(binary, ['--version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim().replace(/^v/, '') : undefined
}

/** True where dist is what a build would make of the sources as they are. */
export function isBuilt() {
  const file = join(dist, digestFile)
  return existsSync(file) && readFileSync(file, 'utf8') === sourceDigest()
}

/** Digest of everything that the build depends on. Contents and not times, which a checkout does not keep. */
export function sourceDigest() {
  const hash = createHash('sha256')
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort()
  const others = [
    'package-lock.json',
    'scripts/build.mjs',
    'scripts/declarations.mjs',
    'scripts/kernel-bundle.ts',
    'scripts/locked-rewrite.ts',
    'scripts/without-comments.ts',
    'tsconfig.base.json',
  ]
  for (const file of [...sources, ...others.map((name) => join(root, name))]) {
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0')
  }
  return hash.digest('hex')
}

// Builds web/ into .build/web: static files, with the kernel in its steppable form among them.
// With --if-needed it does nothing where they are up to date. They are made beside their place and renamed into it.

import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from './lock.mjs'
import { root } from './paths.mjs'
import { PreparationError, runMain, say } from './prepare.mjs'
import { passThrough } from './spawn.mjs'

const script = fileURLToPath(import.meta.url)
const folder = join(root, '.build/web')
const fresh = join(root, '.build/web.new')
const digestFile = join(folder, '.digest')

await runMain(async ([option, place]) => {
  // Started by the one that has the lock.
  if (option === '--into') await bundleInto(join(root, place))
  else await withLock(() => (option === '--if-needed' && isBuilt() ? undefined : buildWeb()))
  return 0
})

function isBuilt() {
  return existsSync(digestFile) && readFileSync(digestFile, 'utf8') === sourceDigest()
}

async function buildWeb() {
  say('building the workbench')
  const digest = sourceDigest()
  // Vite takes a path for an address, whose part behind one of these is none of the file's name.
  if (/[#?]/.test(root)) await bundleByAnotherName()
  else await bundleInto(fresh)
  writeFileSync(join(fresh, '.digest'), digest)
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
}

async function bundleInto(place) {
  // What it takes is loaded only where something is built.
  const { bundleWeb } = await import('./web-bundle.mjs')
  await bundleWeb(place)
}

/** The checkout has a name that Vite reads, for as long as it is built. */
async function bundleByAnotherName() {
  const place = mkdtempSync(join(tmpdir(), 'faultline-web-'))
  if (/[#?]/.test(place))
    throw new PreparationError(
      `Vite cannot build in a folder with '#' or '?' in its path: set TMPDIR to another`,
    )
  const name = join(place, 'checkout')
  symlinkSync(root, name, 'junction')
  try {
    const keepName = ['--preserve-symlinks', '--preserve-symlinks-main']
    const args = [...keepName, join(name, relative(root, script)), '--into', relative(root, fresh)]
    const code = await passThrough(process.execPath, args, { stdio: ['ignore', 2, 2] })
    if (code !== 0) throw new PreparationError('the build failed; what it found stands above')
  } finally {
    unlinkSync(name)
    rmdirSync(place)
  }
}

/** Digest of all that the build depends on. */
function sourceDigest() {
  const hash = createHash('sha256')
  const files = ['src', 'web'].flatMap((name) =>
    readdirSync(join(root, name), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort(),
  )
  const scripts = ['build-web.mjs', 'web-bundle.mjs', 'stepped-plugin.ts', 'kernel-bundle.ts']
  const others = ['package-lock.json', ...scripts.map((name) => `scripts/${name}`)]
  for (const file of [...files, ...others.map((name) => join(root, name))])
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0')
  return hash.digest('hex')
}

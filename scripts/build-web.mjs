// Builds web/ into .build/web: static files, with the kernel in its steppable form among them.
// With --if-needed it does nothing where they are up to date. They are made beside their place and renamed into it.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withLock } from './lock.mjs'
import { root } from './paths.mjs'
import { PreparationError, runMain, say } from './prepare.mjs'

const folder = join(root, '.build/web')
const fresh = join(root, '.build/web.new')
const digestFile = join(folder, '.digest')

await runMain(async ([option]) => {
  await withLock(() => (option === '--if-needed' && isBuilt() ? undefined : buildWeb()))
  return 0
})

function isBuilt() {
  return existsSync(digestFile) && readFileSync(digestFile, 'utf8') === sourceDigest()
}

async function buildWeb() {
  // Vite takes a path for an address, whose part behind one of these is none of the file's name.
  if (/[#?]/.test(root))
    throw new PreparationError(`Vite cannot build in a folder with '#' or '?' in its path: move ${root}`)
  say('building the workbench')
  const digest = sourceDigest()
  // What it takes is loaded only where something is built.
  const { bundleWeb } = await import('./web-bundle.mjs')
  await bundleWeb(fresh)
  writeFileSync(join(fresh, '.digest'), digest)
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
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

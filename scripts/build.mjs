// Builds dist: TypeScript emits a mirror of src, then the kernel becomes one file, and the threads backend another.
// The kernel has a source map, as its source is published, with blanks for its comments: the checker and the simulator
// step it from there. The others read as their sources do, without the comments.
// Of the declarations those are there that a user's compiler reads.
// dist is made beside its place and renamed into it, so that a build that is stopped leaves the old one.

import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { bundleKernel } from './kernel-bundle.ts'
import { bundleThreads } from './threads-bundle.ts'
import { commonjsDeclarations, neededDeclarations } from './declarations.mjs'
import { withLock } from './lock.mjs'
import { dist, root, tools } from './paths.mjs'
import { digestFile, isBuilt, runMain, say, sourceDigest } from './prepare.mjs'
import { passThrough } from './spawn.mjs'
import { withBlankComments, withoutComments } from './without-comments.ts'

const emitted = join(root, '.build')
const fresh = join(root, 'dist.new')
const previous = join(root, 'dist.old')
const { bin, exports } = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8'))

/** Modules of the threads backend that are not in its bundle: what comes before it, `#host`, and a thread's first. */
const threadsApart = ['node-version', 'node-host', 'browser-host', 'flusher-worker'].map(
  (name) => `backends/threads/${name}`,
)

// With --if-needed it does nothing where dist is up to date; with --emitted it takes what typecheck.mjs has just
// emitted.
await runMain(([flag]) =>
  withLock(() => (flag === '--if-needed' && isBuilt() ? 0 : build(flag === '--emitted'))),
)

async function build(isEmitted) {
  say('building dist')
  const digest = sourceDigest()
  // From scratch: TypeScript trusts its record of what it emitted, even where that has been removed since.
  const code = isEmitted ? 0 : await passThrough(process.execPath, [tools.typescript, '-b', '--force', 'src'])
  if (code !== 0) return code
  for (const leftover of [fresh, previous]) fs.rmSync(leftover, { recursive: true, force: true })
  const read = (file) => fs.readFileSync(join(emitted, file), 'utf8')
  const doors = Object.values(exports).flatMap(({ types }) => types?.slice('./dist/'.length) ?? [])
  const texts = [
    ...outputs().map((file) => [file, withoutComments(read(file))]),
    ...sources()
      .filter(isOfKernel)
      .map((file) => [`src/${file}`, blankSource(file)]),
    ...neededDeclarations(doors, read),
    ...doors.map((door) => [door.replace(/\.d\.ts$/, '.d.cts'), commonjsDeclarations(door, read)]),
  ]
  for (const [file, text] of texts) {
    fs.mkdirSync(dirname(join(fresh, file)), { recursive: true })
    fs.writeFileSync(join(fresh, file), text)
  }
  await bundleKernel(join(fresh, 'src/kernel/index.ts'), join(fresh, 'kernel/index.js'))
  await bundleThreads(join(root, 'src/backends/threads/index.ts'), join(fresh, 'backends/threads/index.js'))
  for (const path of Object.values(bin)) fs.chmodSync(join(fresh, path.slice('dist/'.length)), 0o755)
  fs.writeFileSync(join(fresh, digestFile), digest)
  if (fs.existsSync(dist)) fs.renameSync(dist, previous)
  fs.renameSync(fresh, dist)
  fs.rmSync(previous, { recursive: true, force: true })
  return 0
}

/** What of .build belongs into dist: it may hold the remains of modules that are gone, and some are bundled. */
function outputs() {
  const modules = sources().map((file) => file.slice(0, -'.ts'.length))
  const bundled = (path) =>
    isOfKernel(path) || (path.startsWith('backends/threads/') && !threadsApart.includes(path))
  return modules.filter((path) => !bundled(path)).map((path) => `${path}.js`)
}

/** The modules below src, as TypeScript. */
function sources() {
  return fs
    .readdirSync(join(root, 'src'), { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
}

function isOfKernel(path) {
  return path.startsWith('kernel/')
}

function blankSource(file) {
  return withBlankComments(file, fs.readFileSync(join(root, 'src', file), 'utf8'))
}

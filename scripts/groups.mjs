// Test files that share a process. To start one and to load what is tested while nothing is compiled yet costs more
// than most of the files: together they pay for it once.
//
// A file stays alone where it is about the process: its threads and how they end, its memory, its environment. Those of
// the checker do too: where many programs are loaded, all that they call is compiled for none of them, and takes half
// as long again.

import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { groupFolder, root } from './paths.mjs'

/**
 * The folders of each group of files, and in how many processes they run. What one group has in common is also how
 * scripts/preload.mjs loads it, by the group's name.
 */
const groups = {
  api: { folders: ['api'], processes: 2 },
  kernel: { folders: ['kernel', 'reference', 'report', 'simulate'], processes: 1 },
  trace: { folders: ['trace'], processes: 1 },
}

/**
 * Those that take longest, each in a process of its own: they are begun first, since `node --test` goes by the names of
 * modules, and at the end it would wait for them while a processor has nothing to do.
 */
const long = [
  'campaign/faults',
  'campaign/queue',
  'campaign/kinds',
  'check/classics',
  'check/workers',
  'backends/stepped/differential',
  'web/workbench',
]

const alone = new Set([
  // They start threads or processes, and see these end.
  ...[
    'append',
    'border-threads',
    'cut-off',
    'ends',
    'file-lock',
    'heap-threads',
    'files-threads',
    'ltp-fork',
    'notifier',
    'waiting-threads',
    'writeback',
    'threads',
  ].map((name) => `api/${name}`),
  // They replace functions of Atomics, or of the kernel as it is loaded.
  'kernel/allocations',
  'kernel/fault-cost',
  'trace/pacing',
  'trace/source',
  'trace/replay',
])

/** The files that `node --test` is to run for all tests: those that take longest, the groups, and all others. */
export function testFiles() {
  // Also an older Node, with which a bare clone is begun, comes here.
  const files = readdirSync(join(root, 'test'), { recursive: true })
    .map((file) => `test/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
  rmSync(groupFolder, { recursive: true, force: true })
  const grouped = new Set()
  const modules = []
  const write = (module, members) => {
    mkdirSync(dirname(module), { recursive: true })
    writeFileSync(module, members.map((file) => `import '${pathToFileURL(join(root, file))}'\n`).join(''))
    modules.push(module)
    for (const file of members) grouped.add(file)
  }
  for (const name of long)
    write(join(groupFolder, `a-long/${name.replaceAll('/', '-')}.mjs`), [`test/${name}.test.ts`])
  for (const [name, { folders, processes }] of Object.entries(groups)) {
    const own = files.filter((file) => folders.includes(folderOf(file)) && !isAlone(file))
    for (let number = 0; number < processes; number++)
      write(
        join(groupFolder, name, `${number + 1}.mjs`),
        own.filter((_, index) => index % processes === number),
      )
  }
  return [...modules, ...files.filter((file) => !grouped.has(file))]
}

function folderOf(file) {
  return dirname(file).slice('test/'.length)
}

function isAlone(file) {
  return alone.has(file.slice('test/'.length, -'.test.ts'.length))
}

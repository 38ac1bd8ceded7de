// Both forms of the kernel compute the same: the kernel's own tests and those of the API that need one thread only,
// model tests included, run on the steppable form.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { extent, isWhole } from '../../extent.ts'

const root = new URL('../../../', import.meta.url)
const preload = new URL('alone.ts', import.meta.url)
/** They start worker threads, which would each have to be given the steppable form; or cut scripts off. */
const needThreads = 'border-threads cut-off ends file-lock files-threads ltp-fork notifier threads'.split(' ')
/** They change the source of the kernel as it is loaded, which is another here. */
const changesSource = ['allocations']
const leftOut = new Set([
  ...needThreads.map((name) => `api/${name}.test.ts`),
  ...changesSource.map((name) => `kernel/${name}.test.ts`),
])

/** Says of each test, in a line, how it ended and in which file it stands; of one that failed, why. */
const reporter = `data:text/javascript,${encodeURIComponent(String.raw`
  export default async function* (events) {
    for await (const { type, data } of events) {
      if (type === 'test:pass') yield 'pass ' + data.file + '\n'
      if (type === 'test:fail') yield 'fail ' + data.file + ' ' + data.name + ': ' + data.details.error.stack + '\n'
    }
  }`)}`

/**
 * Files of the API that are run here: they come to every call and every kind of fault. `npm run
 * check:forms` runs all that can be.
 */
const representative = ['calls', 'fork', 'mappings', 'model']

function testFiles(folder: string): string[] {
  return readdirSync(new URL(`test/${folder}/`, root))
    .filter((name) => name.endsWith('.test.ts') && !leftOut.has(`${folder}/${name}`))
    .filter(
      (name) => isWhole || folder !== 'api' || representative.some((each) => name === `${each}.test.ts`),
    )
    .map((name) => fileURLToPath(new URL(`test/${folder}/${name}`, root)))
}

describe('the steppable form of the kernel', () => {
  // One process for the files of a folder: to step the kernel takes longer than most of them.
  for (const folder of ['kernel', 'api']) {
    it(`passes the tests of test/${folder}`, () => {
      const files = testFiles(folder)
      const options = ['--import', preload.href, '--test-isolation=none', `--test-reporter=${reporter}`]
      const { status, stdout, stderr } = spawnSync(process.execPath, [...options, '--test', ...files], {
        cwd: fileURLToPath(root),
        encoding: 'utf8',
        maxBuffer: 2 ** 26,
        // Fewer random programs than on the kernel as it stands, since each takes ten times as long.
        env: {
          ...process.env,
          NODE_TEST_CONTEXT: undefined,
          // The sources, and not what is built of them: see scripts/preload.mjs.
          NODE_OPTIONS: undefined,
          FAULTLINE_RUNS: process.env['FAULTLINE_RUNS'] ?? String(extent(3, 20)),
        },
      })
      assert.equal(status, 0, stdout.replaceAll(/^pass .*\n/gm, '') + stderr)
      for (const file of files) assert.ok(stdout.includes(`pass ${file}\n`), `${file} has no test`)
      assert.match(stderr, /^stepped alone: [1-9]\d* modules of the kernel$/m)
    })
  }
})

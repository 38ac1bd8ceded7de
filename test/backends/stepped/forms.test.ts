// Both forms of the kernel compute the same: the kernel's own tests and those of the API that need one thread only,
// model tests included, run on the steppable form.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = new URL('../../../', import.meta.url)
const preload = new URL('alone.ts', import.meta.url)
/** They start worker threads, which would each have to be given the steppable form. */
const needThreads = new Set(
  ['border-threads', 'file-lock', 'files-threads', 'ltp-fork', 'notifier', 'threads'].map(
    (name) => `api/${name}.test.ts`,
  ),
)

const files = ['kernel', 'api'].flatMap((folder) =>
  readdirSync(new URL(`test/${folder}/`, root))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`),
)

describe('the steppable form of the kernel', () => {
  for (const file of files.filter((name) => !needThreads.has(name))) {
    it(`passes test/${file}`, () => {
      const args = ['--import', preload.href, '--test-isolation=none', '--test', `test/${file}`]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: fileURLToPath(root),
        encoding: 'utf8',
        // Fewer random programs than on the kernel as it stands, since each takes ten times as long.
        env: { ...process.env, NODE_TEST_CONTEXT: undefined, FAULTLINE_RUNS: '40' },
      })
      assert.equal(status, 0, stdout + stderr)
      assert.match(stdout, /ℹ pass [1-9]/)
      assert.match(stderr, /^stepped alone: [1-9]\d* modules of the kernel$/m)
    })
  }
})

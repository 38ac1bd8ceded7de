// Files of overlayfs, which copies a file of a lower layer when it is first written: in a user namespace of its own,
// where whoever runs this may mount one.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after, test } from 'node:test'
import { PAGE } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-overlay-'))
after(() => rmSync(folder, { recursive: true }))

const MOUNT = 'mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work all'

/** Runs a shell's command in the folder, where it may mount. */
function inNamespace(command: string, ...values: string[]) {
  return spawnSync('unshare', ['-Urm', 'sh', '-c', command, 'sh', ...values], {
    cwd: folder,
    encoding: 'utf8',
  })
}

test('a removed file is no other, and a file is the same after it was copied', (context) => {
  for (const name of ['lower', 'upper', 'work', 'all']) mkdirSync(join(folder, name))
  for (const name of ['lower.bin', 'second.bin', 'third.bin'])
    writeFileSync(join(folder, 'lower', name), new Uint8Array(4 * PAGE).fill(1))
  if (inNamespace(MOUNT).status !== 0) return context.skip('overlayfs cannot be mounted here')
  const child = fileURLToPath(new URL('./overlay-child.ts', import.meta.url))
  const { status, stdout, stderr } = inNamespace(`${MOUNT} && cd all && exec "$@"`, process.execPath, child)
  assert.equal(status, 0, stderr)
  assert.equal(stdout, 'as documented\n')
})

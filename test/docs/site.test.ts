// The site of `npm run site`: each public name has a docstring, and no link leads nowhere. It takes half a minute of a
// processor, and what makes it has to be installed: for `npm run test:whole`.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isWhole } from '../extent.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the site has the API reference and the pages', { skip: !isWhole && 'npm run test:whole' }, () => {
  execFileSync('npm', ['run', 'site'], { cwd: root, encoding: 'utf8' })
  const page = (path: string): string => readFileSync(join(root, '.build/site', path), 'utf8')
  assert.match(page('classes/memory.AddressSpace.html'), /withRange/)
  assert.match(page('interfaces/check.InlineCheck.html'), /invariant/)
  assert.match(page('documents/files.html'), /msync/)
})

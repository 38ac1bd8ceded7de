// An older Node is told in one line that it is too old, whether the package is imported or its command is run.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const pathOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const { engines } = JSON.parse(readFileSync(pathOf('../../../package.json'), 'utf8')) as {
  engines: { node: string }
}
const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)!.map(Number) as [number, number, number]
const said = /faultline needs Node 22\.15 or newer, and this is Node [\d.]+\]?$/m

const isOlder = (version: string): boolean => {
  const [ofHost, minorOfHost] = version.split('.').map(Number) as [number, number]
  return ofHost < major || (ofHost === major && minorOfHost < minor)
}

/** A Node of the host that is too old for the package, if it has one. */
const older = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((file) => existsSync(file))
  .find((file) => {
    const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
    return isOlder(stdout.slice(1))
  })

describe('an older Node', () => {
  // Whatever Node there is begins the check, before the pinned one is installed.
  it(
    'loads all that the check begins with',
    { skip: older === undefined && 'this host has no older Node' },
    () => {
      const url = new URL('../../../scripts/', import.meta.url)
      const program = `
      await import('${new URL('prepare.mjs', url).href}')
      const { testFiles } = await import('${new URL('groups.mjs', url).href}')
      console.log(typeof testFiles)`
      const { status, stdout, stderr } = spawnSync(older!, ['--input-type=module', '-e', program], {
        encoding: 'utf8',
        env: { ...process.env, NODE_OPTIONS: '' },
      })
      assert.deepEqual([status, stdout.trim()], [0, 'function'], stderr)
    },
  )

  const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
  after(() => rmSync(folder, { recursive: true }))

  it('is refused by the version that it says', () => {
    const check = join(folder, 'check.mjs')
    const source = stripTypeScriptTypes(
      readFileSync(pathOf('../../../src/backends/threads/node-version.ts'), 'utf8'),
    )
    for (const version of ['20.20.2', '22.14.0', '9.1.0']) {
      writeFileSync(check, source.replace('host?.versions?.node', `'${version}'`))
      const { status, stderr } = spawnSync(process.execPath, [check], { encoding: 'utf8' })
      assert.equal(status, 1)
      assert.match(stderr, said)
    }
    for (const version of ['22.15.0', '22.23.3', '23.0.0', '24.0.0']) {
      writeFileSync(check, source.replace('host?.versions?.node', `'${version}'`))
      assert.equal(spawnSync(process.execPath, [check]).status, 0, version)
    }
    // What a bundler puts in its place for a browser.
    for (const stand of ['undefined', '{ env: {} }', '{ versions: {} }']) {
      writeFileSync(check, `globalThis.process = ${stand}\n${source}`)
      assert.equal(spawnSync(process.execPath, [check]).status, 0, stand)
    }
  })

  const without = older === undefined ? 'this host has no older Node' : false
  for (const file of ['index.js', 'cli/main.js']) {
    it(`comes as far as to say so: dist/${file}`, { skip: without }, () => {
      const { status, stdout, stderr } = spawnSync(older!, [pathOf(`../../../dist/${file}`)], {
        encoding: 'utf8',
      })
      assert.deepEqual([status, stdout], [1, ''])
      assert.match(stderr, said)
      assert.doesNotMatch(stderr, /SyntaxError|does not provide an export/)
    })
  }
})

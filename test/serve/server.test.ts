// The server gives what is in its folder, to this machine only.

import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Workbench, serveFolder } from '../../src/serve/server.ts'

const parent = mkdtempSync(join(tmpdir(), 'faultline-serve-'))
const folder = join(parent, 'web')
let server: Workbench

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What is answered to a path as it stands: fetch() would tidy it. */
function get(path: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url)
    const asked = request({ hostname, port, path, headers, method }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

describe('the server of the workbench', () => {
  before(async () => {
    mkdirSync(join(folder, 'assets'), { recursive: true })
    writeFileSync(join(folder, 'index.html'), '<p>here</p>')
    writeFileSync(join(folder, 'assets/a b.js'), 'own')
    writeFileSync(join(folder, '.digest'), 'hidden')
    writeFileSync(join(folder, 'inline.json'), JSON.stringify({ scripts: [`'sha256-a='`], styles: [] }))
    writeFileSync(join(parent, 'secret'), 'secret')
    symlinkSync(join(parent, 'secret'), join(folder, 'link'))
    server = await serveFolder(folder, 0)
  })
  after(async () => {
    await server.close()
    rmSync(parent, { recursive: true })
  })

  test('gives its files, with what a page may do', async () => {
    const { status, headers, body } = await get('/')
    assert.equal(status, 200)
    assert.equal(body, '<p>here</p>')
    assert.equal(headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin')
    assert.equal(headers['cross-origin-embedder-policy'], 'require-corp')
    assert.equal(headers['x-content-type-options'], 'nosniff')
    const policy = String(headers['content-security-policy'])
    assert.match(policy, /^default-src 'none'; script-src 'self' 'sha256-a='; style-src 'self';/)
    assert.doesNotMatch(policy, /unsafe|\*|https?:/)
    assert.equal((await get('/assets/a%20b.js?x=1')).body, 'own')
    assert.equal((await get('/index.html', {}, 'HEAD')).body, '')
  })

  test('gives nothing else', async () => {
    for (const path of [
      '/../secret',
      '/%2e%2e/secret',
      '/assets/../../secret',
      '/..%2fsecret',
      '//etc/passwd',
      '/link',
      '/.digest',
      '/inline.json',
      '/assets',
      '/assets/',
      '/%',
      '/%00',
      '/index.html/',
    ]) {
      const { status, body } = await get(path)
      assert.equal(status, 404, path)
      assert.equal(body, 'There is no such file.\n', path)
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      assert.equal((await get('/', {}, method)).status, 405, method)
  })

  test('refuses who asks for it by another name', async () => {
    const { port } = new URL(server.url)
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`])
      assert.equal((await get('/', { host })).status, 200, host)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost',
      `localhost:1${port}`,
      `localhost.evil.example:${port}`,
    ]) {
      const { status, body } = await get('/', { host })
      assert.equal(status, 421, host)
      assert.doesNotMatch(body, /here/)
    }
  })

  test('listens on the loopback interface', () => {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  })

  test('says when the port is in use', async () => {
    await assert.rejects(serveFolder(folder, Number(new URL(server.url).port)), { code: 'EADDRINUSE' })
  })
})

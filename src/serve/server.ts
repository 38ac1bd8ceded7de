// The web server of the workbench: the files of one folder, on the loopback interface of this machine.
//
// Principles: it knows its files before it listens, and serves no other, so that no path leads out of the folder. It
// answers only who asks for it by a name of this machine: a site that has its own name point here (DNS rebinding) is
// refused. Each answer says what a page may load and run, which is what is served here and nothing else; the pages send
// nothing, and the server stores nothing.

import { createReadStream, readFileSync, readdirSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, relative } from 'node:path'

/** A server that listens. */
export interface Workbench {
  /** Where a browser finds it, with the slash at the end. */
  readonly url: string
  readonly close: () => Promise<void>
}

/** Scripts and styles that stand in a page itself, by their digests, as a policy names them. */
interface Inline {
  readonly scripts: readonly string[]
  readonly styles: readonly string[]
}

const LOOPBACK = '127.0.0.1'
/** What the build has written beside the pages. */
const INLINE_FILE = 'inline.json'

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.gz': 'application/gzip',
}

/**
 * Serves the files of `folder` on 127.0.0.1.
 *
 * @param port 0 for one that is free
 * @throws {Error} with the code of the system where it cannot listen there, or cannot read the folder
 */
export async function serveFolder(folder: string, port: number): Promise<Workbench> {
  const files = filesIn(folder)
  const headers = headersFor(readInline(folder))
  const server = createServer((request, response) => answer(request, response, files, headers))
  await listen(server, port)
  const { port: actual } = server.address() as AddressInfo
  return { url: `http://${LOOPBACK}:${actual}/`, close: () => close(server) }
}

/** Files by the paths under which they are served. Those whose names begin with a dot are not. */
function filesIn(folder: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.startsWith('.') || entry.name === INLINE_FILE) continue
    const file = join(entry.parentPath, entry.name)
    found.set(`/${relative(folder, file).replaceAll('\\', '/')}`, file)
  }
  const index = found.get('/index.html')
  if (index !== undefined) found.set('/', index)
  return found
}

function readInline(folder: string): Inline {
  try {
    return JSON.parse(readFileSync(join(folder, INLINE_FILE), 'utf8')) as Inline
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { scripts: [], styles: [] }
    throw error
  }
}

function headersFor({ scripts, styles }: Inline): Readonly<Record<string, string>> {
  const policy = [
    `default-src 'none'`,
    `script-src ${["'self'", ...scripts].join(' ')}`,
    `style-src ${["'self'", ...styles].join(' ')}`,
    `worker-src 'self'`,
    `connect-src 'self'`,
    `img-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ]
  return {
    'Content-Security-Policy': policy.join('; '),
    // Shared memory is for pages that nothing of another site is in.
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-cache',
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, string>,
  headers: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  const { method, url = '/' } = request
  if (!isForUs(request)) return refuse(response, 421, 'This server is for this machine only.')
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD')
    return refuse(response, 405, 'There is nothing to be sent here.')
  }
  const path = pathOf(url)
  const file = path === null ? undefined : files.get(path)
  if (file === undefined) return refuse(response, 404, 'There is no such file.')
  response.setHeader('Content-Type', types[extname(file)] ?? 'application/octet-stream')
  if (method === 'HEAD') {
    response.end()
    return
  }
  const stream = createReadStream(file)
  stream.on('error', () => response.destroy())
  stream.pipe(response)
}

/** It is asked for by the address that it listens on, or as `localhost`, which browsers never ask others for. */
function isForUs({ headers, socket }: IncomingMessage): boolean {
  const port = socket.localPort
  return [LOOPBACK, 'localhost'].some((name) => headers.host === `${name}:${port}`)
}

function pathOf(url: string): string | null {
  try {
    return decodeURIComponent(url.split(/[?#]/, 1)[0]!)
  } catch {
    return null
  }
}

function refuse(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.end(`${text}\n`)
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

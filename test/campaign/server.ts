// A Redis or Valkey of a test's own, and the processes of a test.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** What there is on this machine. */
export const server = ['redis-server', 'valkey-server'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
)

export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number }
  probe.close()
  await once(probe, 'close')
  return port
}

/** Starts a server, and waits until it answers. What it has on its disk it reads; it writes only where it `keeps`. */
export async function startServer(port: number, folder: string, keeps = false): Promise<ChildProcess> {
  const values = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const keeping = ['--appendonly', keeps ? 'yes' : 'no', '--appendfsync', 'always']
  const child = spawn(server!, [...values, ...keeping], { stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>)
    if (/ready to accept connections/i.test(text)) break
  return child
}

export async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

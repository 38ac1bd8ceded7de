// `faultline serve`: the workbench in the browser, on this machine only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { serveFolder } from '../serve/server.ts'
import { UsageError } from './failure.ts'
import { parseCount } from './options.ts'
import { print } from './output.ts'

const DEFAULT_PORT = '4280'
/** The pages as they are built, from this module in dist or in src, and what builds them. A package has neither. */
const built = fileURLToPath(new URL('../../.build/web', import.meta.url))
const builder = fileURLToPath(new URL('../../scripts/build-web.mjs', import.meta.url))

export function serveCommand(): Command {
  return new Command('serve')
    .description(
      'serve the workbench to browsers on this machine: a recording, the kernel step by step, scaling',
    )
    .option('--port <number>', 'port on 127.0.0.1; 0: any free port', DEFAULT_PORT)
    .addHelpText(
      'after',
      [
        '',
        'The pages run in the browser: they read a dropped recording there, and send it nowhere.',
        'Ctrl-C ends it. Only in a checkout of the repository: the published package has no workbench.',
        '',
        'Examples:',
        '  faultline serve',
        '  faultline serve --port 0',
      ].join('\n'),
    )
    .action(runCommand)
}

async function runCommand({ port: given }: { readonly port: string }): Promise<void> {
  const port = parseCount(given, '--port', 0, 65_535)
  await buildIfNeeded()
  try {
    const { url } = await serveFolder(built, port)
    await print(`The workbench: ${url} (Ctrl-C ends it)\n`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') throw new UsageError(`port ${port} is in use`, 'give another, or --port 0')
    if (code === 'EACCES') throw new UsageError(`port ${port} needs privileges`, 'give one from 1024')
    throw error
  }
}

/** In a checkout, the pages are built when something that they are made of has changed. */
async function buildIfNeeded(): Promise<void> {
  if (!existsSync(builder))
    throw new UsageError(
      'the package has no workbench, which would double its size',
      'clone the repository, and run `npm install && npx faultline serve` there',
    )
  const child = spawn(process.execPath, [builder, '--if-needed'], { stdio: ['ignore', 2, 2] })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new UsageError('the workbench could not be built', 'see the errors above')
}

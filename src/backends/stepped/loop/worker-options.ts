// What a Worker is given: its script, and options, of which some cannot be modelled. It is not stepped.

import { isAbsolute } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { ScriptRequest } from '../refusal.ts'
import type { ThreadCode } from '../thread-modules.ts'
import { host } from './host.ts'

type Script = Pick<ScriptRequest, 'kind' | 'specifier'>

export function checkOptions(given: object): void {
  const options = given as Readonly<Record<string, unknown>>
  if (options['stdin'] === true)
    host.refuse('a Worker with the option stdin', 'send it what it is to read as a message')
  const flags = (options['execArgv'] ?? []) as readonly string[]
  const loader = flags.find((each) => /^--(experimental-)?loader|^--conditions|^-C/.test(each))
  if (loader !== undefined)
    host.refuse(`a Worker that is given ${loader}`, 'let it run modules that need no loader')
}

/** What stands for the output of a Worker that somebody wants to have: nothing comes of it. */
export function outputOf(isWanted: boolean | undefined): Readable | null {
  return isWanted === true ? new Readable({ read() {} }) : null
}

/** Which script it is. */
export function scriptOf(script: unknown, options: { readonly eval?: boolean }): Script {
  if (options.eval === true) return { kind: 'eval', specifier: String(script) }
  if (script instanceof URL || String(script).startsWith('data:')) {
    const url = new URL(String(script))
    if (url.protocol === 'data:') return { kind: 'eval', specifier: textOf(url) }
    url.search = ''
    url.hash = ''
    return { kind: 'worker', specifier: url.href }
  }
  const path = String(script)
  if (!isAbsolute(path) && !/^\.\.?[\\/]/.test(path))
    throw Object.assign(
      new TypeError(
        `The worker script or module filename must be an absolute path or a relative path starting with './' or '../'. Received "${path}"`,
      ),
      { code: 'ERR_WORKER_PATH' },
    )
  return { kind: 'worker', specifier: pathToFileURL(path).href }
}

function textOf({ pathname }: URL): string {
  const [head, ...rest] = pathname.split(',')
  const text = rest.join(',')
  return head!.endsWith(';base64') ? Buffer.from(text, 'base64').toString() : decodeURIComponent(text)
}

/** Its code. Throws as Node tells the one that made it. */
export function readScript({ kind, specifier }: Script): ThreadCode {
  const found = host.find({ from: '', specifier, kind })
  if (found.kind === 'thread') return found.code
  if (found.kind === 'error') throw found.error
  throw Object.assign(new Error(`Cannot find module '${specifier}'`), { code: 'MODULE_NOT_FOUND' })
}

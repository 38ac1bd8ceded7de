// Where things happen: a number for each place of a program that the runtime reports.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ProgramModule } from './program.ts'
import { type Node, positionOf } from './syntax.ts'

export interface Site {
  /** Path of the file. */
  readonly file: string
  readonly line: number
  readonly column: number
  /** The function that it stands in. */
  readonly function: string
  /** What happens there, such as 'Atomics.load', 'read' or 'loop'. */
  readonly what: string
  /** The source text, in one line. */
  readonly source: string
}

/** The places of a program by number. Numbers follow the order of the text, so that they are the same each time. */
export class SiteTable {
  readonly sites: Site[] = []
  readonly #known = new Map<string, number>()

  add(module: ProgramModule, node: Node, functionName: string, what: string): number {
    const key = `${module.url} ${node.start} ${node.end} ${what}`
    const present = this.#known.get(key)
    if (present !== undefined) return present
    const { line, column } = positionOf(module, node.start)
    const source = module.text.slice(node.start, node.end).replaceAll(/\s+/g, ' ')
    const number = this.sites.length
    this.sites.push({ file: module.file, line, column, function: functionName, what, source })
    this.#known.set(key, number)
    return number
  }
}

/** What stands behind the address of a steppable module; the number of the program follows. */
export const QUERY = '?stepped='

/** The innermost place of a stepped program on the stack. Slow. */
export function currentPlace(what: string): Site {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 100
  const { stack = '' } = new Error('where')
  Error.stackTraceLimit = stackTraceLimit
  const found = /(?:at (?:async )?(?:new )?([^\s(]+) \()?(file:[^\s()]*?)\?stepped=\d+:(\d+):(\d+)/.exec(
    stack,
  )
  if (found === null)
    return { file: 'unknown', line: 1, column: 1, function: '(anonymous)', what, source: what }
  const [, name = '(anonymous)', url, line, column] = found
  const file = fileURLToPath(url!)
  const source = readFileSync(file, 'utf8').split('\n')[Number(line) - 1] ?? ''
  const own = name.split('.').at(-1)!
  return { file, line: Number(line), column: Number(column), function: own, what, source: source.trim() }
}

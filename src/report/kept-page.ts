// The page of a counterexample that a test has found, kept in a folder: what continuous integration can show of it.

import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { CheckResult } from '../check/index.ts'
import { checkPage } from './html/check.ts'
import { sourceOf } from './source-of.ts'

/** Writes the page, called by the file and the line of the check, and returns its path. Throws where it cannot. */
export function keepPage(folder: string, result: CheckResult): string {
  const { scenario, failure } = result
  const name = path.basename(scenario)
  const file = path.join(folder, `${name.replaceAll(/[^\w.-]+/g, '-')}.html`)
  const line = `fails: ${failure!.message.split('\n')[0]}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, checkPage({ target: scenario, checks: [{ name, result, line }], change: '', sourceOf }))
  return file
}

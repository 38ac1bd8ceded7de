// Processes that are ended from outside, and what they have said by then.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** How long a process may take to end before it counts as hanging, in milliseconds. */
const PATIENCE = 60_000

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly output: string
  readonly errors: string
}

/** Runs a script beside this one until it ends, or until it is killed, `delayMs` after it has said `rounds` lines. */
export function runChild(
  name: string,
  args: readonly string[],
  rounds = Infinity,
  delayMs = 0,
): Promise<Ended> {
  const script = fileURLToPath(new URL(name, import.meta.url))
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      if (linesOf(output) >= rounds) setTimeout(() => child.kill('SIGKILL'), delayMs)
    })
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`hangs: ${args.join(' ')}`))
    }, PATIENCE)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, output, errors })
    })
  })
}

export function linesOf(output: string): number {
  return output.split('\n').length - 1
}

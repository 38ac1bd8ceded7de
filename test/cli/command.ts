// Runs the command as a user does: as a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { command } from '../built.ts'

const together = fileURLToPath(new URL('together.mjs', import.meta.url))

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `faultline` with arguments, and with what is to be on its standard input. */
export function faultline(values: readonly string[], input: string | Uint8Array = ''): Promise<Outcome> {
  return run([command, ...values], input)
}

/** What comes of many calls that are refused, in one process: to start one for each takes most of their time. */
export async function refusals(calls: readonly (readonly string[])[]): Promise<Outcome[]> {
  const { code, stdout, stderr } = await run([together, command], JSON.stringify(calls))
  if (code !== 0) throw new Error(`the calls ended with ${code}: ${stderr}`)
  const outcomes = JSON.parse(stdout) as Outcome[]
  if (outcomes.length !== calls.length)
    throw new Error(`${outcomes.length} of ${calls.length} calls came to an end`)
  return outcomes
}

async function run(values: readonly string[], input: string | Uint8Array): Promise<Outcome> {
  const child = spawn(process.execPath, values, { env: { ...process.env, NO_COLOR: '1' } })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A command that does not want its input may be gone before it is written.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}

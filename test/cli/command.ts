// Runs the command as a user does: as a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { command } from '../built.ts'

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `faultline` with arguments, and with what is to be on its standard input. */
export async function faultline(
  values: readonly string[],
  input: string | Uint8Array = '',
): Promise<Outcome> {
  const child = spawn(process.execPath, [command, ...values], { env: { ...process.env, NO_COLOR: '1' } })
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

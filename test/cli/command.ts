// Runs the command as a user does.
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { command } from '../built.ts'

const together = fileURLToPath(new URL('together.mjs', import.meta.url))
const env = { ...process.env, NO_COLOR: '1' }

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `faultline` with arguments, and with what is to be on its standard input, as a process of its own. */
export async function faultlineAlone(
  values: readonly string[],
  input: string | Uint8Array = '',
): Promise<Outcome> {
  const child = spawn(process.execPath, [command, ...values], { env })
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

/** Processes that have made a call, and wait for the next: to start one takes longer than most calls. */
const idle: ChildProcess[] = []

/** Runs `faultline` with arguments, in a process in which others may have run before it. */
export async function faultline(values: readonly string[]): Promise<Outcome> {
  const child = idle.pop() ?? fork(together, [command], { env })
  // The test may end while the process waits for a call.
  child.ref()
  child.channel!.ref()
  const ended = new AbortController()
  const outcome = once(child, 'message', ended) as Promise<[Outcome]>
  const gone = once(child, 'exit', ended).then(([code, signal]) => {
    throw new Error(`faultline ${values.join(' ')}: its process ended with ${code ?? signal}`)
  })
  child.send(values)
  const [said] = await Promise.race([outcome, gone])
  gone.catch(() => {})
  ended.abort()
  child.unref()
  child.channel!.unref()
  idle.push(child)
  return said
}

/** Runs `faultline` with each of many lists of arguments, one after the other. */
export async function refusals(calls: readonly (readonly string[])[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const values of calls) outcomes.push(await faultline(values))
  return outcomes
}

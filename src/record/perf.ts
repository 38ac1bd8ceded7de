// Running perf: what it is called with, and how it ended.
import { type ChildProcess, spawn } from 'node:child_process'
import { scriptCommand } from '../trace/errors.ts'
import type { Means } from './means.ts'

/** What is recorded: a command, processes that run, or all. */
export type Target =
  | { readonly kind: 'command'; readonly command: readonly string[] }
  | { readonly kind: 'processes'; readonly pids: readonly number[] }
  | { readonly kind: 'all' }

/** How a program ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: string | null
}

/** Arguments of `perf record` for everything but whom it records. */
export function recordArguments(
  means: Means,
  file: string,
  bufferBytes: number,
  hasStacks: boolean,
): string[] {
  const values = [
    'record',
    '-q',
    '-B',
    '-d',
    '-c',
    '1',
    '-m',
    `${bufferBytes / 1024}K`,
    '-k',
    'CLOCK_MONOTONIC',
    // When a thread has no processor, for a simulation.
    '--switch-events',
  ]
  // Tracepoints have the processor in any case, other events only if asked.
  if (means.countsFaultsOnly || means.sampleEvents.length > 0) values.push('--sample-cpu')
  // To walk the stack of the program faults itself, which would be recorded.
  if (means.sampleEvents.length > 0 && !hasStacks) values.push('--kernel-callchains')
  if (hasStacks) values.push('-g')
  const [ofProgram, ...ofKernel] = means.sampleEvents
  // The instruction of a sample of the program is not told beside a call chain.
  const samples =
    ofProgram === undefined ? [] : [hasStacks ? withoutChain(ofProgram) : ofProgram, ...ofKernel]
  values.push('-e', [...means.events, ...samples].join(','), '-o', file)
  return values
}

function withoutChain(event: string): string {
  return event.replace(/\/(\w+)$/, ',call-graph=no/$1')
}

/** Arguments of `perf record` that say whom it records, and of running processes for how many seconds. */
export function targetArguments(target: Target, seconds: number | undefined): string[] {
  if (target.kind === 'command') return ['--', ...target.command]
  const whom = target.kind === 'all' ? ['-a'] : ['-p', target.pids.join(',')]
  // perf ends with the command, whose time begins when all is set up.
  return seconds === undefined ? whom : [...whom, '--', 'sleep', String(seconds)]
}

/** Arguments of `perf script`. */
export function scriptArguments(means: Means, file: string, hasStacks: boolean): string[] {
  const words = scriptCommand.split(' ').slice(1)
  if (means.isInPidNamespace) words.splice(1, 0, '--show-task-events')
  const ofSoftware = words.pop()!
  words.pop()
  const ofTracepoints = words.pop()! + (hasStacks ? ',ip,sym' : '')
  if (!means.countsFaultsOnly && means.sampleEvents.length === 0)
    return [...words, ofTracepoints.replace('trace:', ''), '-i', file]
  const ofFaults = ofTracepoints.replace('trace:', 'sw:').replace(',trace', ',addr,ip')
  return [...words, ofTracepoints, '-F', means.countsFaultsOnly ? ofFaults : ofSoftware, '-i', file]
}

/** Starts perf. What it says on standard error is given to `said`, where there is one, and shown otherwise. */
export function startPerf(
  perf: string,
  values: readonly string[],
  stdio: readonly ['inherit' | 'ignore', 'pipe' | 'ignore' | number],
  said?: (text: string) => void,
): ChildProcess {
  // Called by a path, perf puts its folder first in PATH, and the command would find other programs than in a shell.
  const child = spawn(perf, values, {
    argv0: 'perf',
    stdio: [...stdio, said === undefined ? 'inherit' : 'pipe'],
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => said?.(text))
  return child
}

/** Waits for the end of a program. Rejects where it could not be started. */
export async function ending(child: ChildProcess): Promise<Ending> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
}

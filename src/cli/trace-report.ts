// What a command says of a recording, and which of its processes it is about.
import { formatCount } from '../report/index.ts'
import { importTrace, type ImportedTrace, type ImportOptions } from '../trace/index.ts'
import { UsageError } from './failure.ts'
import { MAX_PROCESS, parseCount } from './options.ts'
import { showProgress } from './progress.ts'

/** Reads a recording, and says how far it is. */
export function readRecording(path: string, options: ImportOptions): Promise<ImportedTrace> {
  return importTrace(path, {
    ...options,
    onProgress: ({ lines }) => showProgress(`reading ${path}: ${formatCount(lines)} lines`),
  })
}

/** A value of --process. */
export function parseProcess(text: string): 'all' | 'busiest' | number {
  if (text === 'all' || text === 'busiest') return text
  if (!/^\d+$/.test(text)) {
    throw new UsageError(`--process ${text} is not usable`, "give 'all', 'busiest' or a process number")
  }
  return parseCount(text, '--process', 1, MAX_PROCESS)
}

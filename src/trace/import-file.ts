// `importTrace`: a trace from a file, or from standard input.

import { type ImportOptions, importFrom } from './import.ts'
import type { ImportedTrace } from './imported-trace.ts'
import { openSource } from './source.ts'

/**
 * Reads a trace.
 * @param path a file (plain or compressed), or `-` for standard input
 * @throws TraceError with file, line and remedy
 */
export function importTrace(path: string, options: ImportOptions = {}): Promise<ImportedTrace> {
  return importFrom(path, openSource(path, options.stdin), options)
}

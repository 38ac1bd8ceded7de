// In the place of src/trace/spool-file.ts: a page has no temporary files, and says so when a recording needs one.

import { TraceError } from '../../src/trace/errors.ts'

export class SpoolFile {
  readonly descriptor = -1

  constructor(file: string) {
    throw new TraceError(
      'spool',
      file,
      undefined,
      'the recording is too large for a page',
      'Read it on the command line: faultline report FILE --output report.html.',
    )
  }

  append(): number {
    return 0
  }

  overwrite(): void {}

  close(): void {}
}

export function readSpool(): void {}

// The worker of the page of a recording: it reads the recording and writes the report, as `faultline report` does.

import { htmlPage } from '../../src/report/html/page.ts'
import { traceReport } from '../../src/report/trace-report.ts'
import { verdictOfTrace, verdictReport } from '../../src/report/verdict.ts'
import { DetailCollector } from '../../src/trace/detail.ts'
import { importFrom } from '../../src/trace/import.ts'
import type { Answer, Question } from './protocol.ts'
import { fileSource } from './source.ts'

/** Bytes of records that a page keeps: it has no temporary files. */
const MEMORY_LIMIT = 1 << 30
const MINIMUM_FIDELITY = 0.98

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  const { id, file } = data
  const answer = (value: Answer): void => postMessage(value)
  report(file, (lines) => answer({ id, kind: 'progress', lines })).then(
    (made) => answer({ id, kind: 'report', ...made }),
    (error: unknown) =>
      answer({ id, kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  )
})

async function report(
  file: File,
  onLines: (lines: number) => void,
): Promise<Omit<Answer & { kind: 'report' }, 'id' | 'kind'>> {
  const collector = new DetailCollector()
  const trace = await importFrom(file.name, await fileSource(file), {
    isReplayed: false,
    observers: [collector],
    memoryLimit: MEMORY_LIMIT,
    onProgress: ({ lines }) => onLines(lines),
  })
  try {
    const told = traceReport(trace)
    const page = htmlPage({
      trace: told,
      detail: collector.result(),
      replays: [],
      minimumFidelity: MINIMUM_FIDELITY,
      before: null,
    })
    return { page, verdict: verdictReport(verdictOfTrace(told), told) }
  } finally {
    trace.close()
  }
}

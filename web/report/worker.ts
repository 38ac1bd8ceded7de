// The worker of the page of a recording: it reads the recording and writes the report, as `faultline report` does.

import { comparisonOf } from '../../src/report/compare.ts'
import { htmlPage } from '../../src/report/html/page.ts'
import type { TraceReport } from '../../src/report/replay-report.ts'
import { traceReport } from '../../src/report/trace-report.ts'
import { verdictOfTrace } from '../../src/report/verdict.ts'
import { DetailCollector } from '../../src/trace/detail.ts'
import { importFrom } from '../../src/trace/import.ts'
import type { ImportObserver } from '../../src/trace/observer.ts'
import { messageOf } from '../dom.ts'
import type { Answer, Question } from './protocol.ts'
import { fileSource } from './source.ts'

/** Bytes of records that a page keeps: it has no temporary files. */
const MEMORY_LIMIT = 1 << 30
const MINIMUM_FIDELITY = 0.98

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  const { id } = data
  const answer = (value: Answer): void => postMessage(value)
  report(data, (name, lines) => answer({ id, kind: 'progress', name, lines })).then(
    (made) => answer({ id, kind: 'report', ...made }),
    (error: unknown) => answer({ id, kind: 'failed', message: messageOf(error) }),
  )
})

type OnLines = (name: string, lines: number) => void

async function report(
  { file, before }: Question,
  onLines: OnLines,
): Promise<Omit<Answer & { kind: 'report' }, 'id' | 'kind'>> {
  const earlier = before === null ? null : await recordingOf(before, [], onLines)
  const collector = new DetailCollector()
  const trace = await recordingOf(file, [collector], onLines)
  const page = htmlPage({
    trace,
    detail: collector.result(),
    replays: [],
    minimumFidelity: MINIMUM_FIDELITY,
    before: earlier,
  })
  const { sentences } = earlier === null ? verdictOfTrace(trace) : comparisonOf(earlier, trace)
  return { page, summary: sentences.join(' ') }
}

async function recordingOf(
  file: File,
  observers: readonly ImportObserver[],
  onLines: OnLines,
): Promise<TraceReport> {
  const trace = await importFrom(file.name, await fileSource(file), {
    isReplayed: false,
    observers,
    memoryLimit: MEMORY_LIMIT,
    onProgress: ({ lines }) => onLines(file.name, lines),
  })
  try {
    return traceReport(trace)
  } finally {
    trace.close()
  }
}

// Texts and tables of the commands.
export { benchCsv, benchText } from './bench-text.ts'
export { comparisonOf, comparisonText, type Comparison } from './compare.ts'
export { conflictsText } from './conflicts-text.ts'
export { designsText } from './designs-text.ts'
export { checkPage, type CheckPageContent } from './html/check.ts'
export { markup, type Markup } from './html/markup.ts'
export { htmlPage, sectionsPage, type PageContent } from './html/page.ts'
export type { Section } from './html/section.ts'
export { table as htmlTable } from './html/table.ts'
export * from './numbers.ts'
export { PerfettoRecording } from './perfetto-recording.ts'
export { Redactor } from './redact.ts'
export * from './replay-report.ts'
export { printable } from './printable.ts'
export { replayText } from './replay-text.ts'
export { reportText } from './recorded-text.ts'
export { scalingCsv, scalingLines, scalingSvg } from './scaling-chart.ts'
export { scalingPage } from './html/scaling.ts'
export { calibrateText } from './calibrate-text.ts'
export { machinesText, simulateText } from './simulate-text.ts'
export { simulateTraceText } from './simulate-trace-text.ts'
export { plainStyle, type Style, type TextOptions } from './style.ts'
export { formatTable, textColumn, wrap, type Column, type TableOptions } from './table.ts'
export { styleFor } from './terminal-style.ts'
export { traceReport } from './trace-report.ts'
export { nameOf } from './design-name.ts'
export { isPromise, whatIfAdvice, whatIfSentences } from './what-if.ts'
export {
  verdictOf,
  verdictOfTrace,
  verdictReport,
  type Verdict,
  type VerdictReport,
  losesTooMuch,
} from './verdict.ts'

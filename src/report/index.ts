// Texts and tables of the commands.
export { benchCsv, benchText } from './bench-text.ts'
export { designsText } from './designs-text.ts'
export * from './numbers.ts'
export * from './replay-report.ts'
export { replayText, type TextOptions } from './replay-text.ts'
export { plainStyle, styleFor, type Style } from './style.ts'
export { formatTable, wrap, type Column, type TableOptions } from './table.ts'
export { nameOf, verdictOf, type Verdict } from './verdict.ts'

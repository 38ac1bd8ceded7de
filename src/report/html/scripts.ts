// The scripts and styles that a page carries in itself: uPlot, and what is in client/.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { css } from './css.ts'

/** Looked for only where a page is made. */
function uPlotFolder(): string {
  return nodeModule
    .createRequire(import.meta.url)
    .resolve('uplot')
    .replace(/[^/\\]*$/, '')
}

/** The style of a page, uPlot's first. */
export function pageStyle(): string {
  return readFileSync(`${uPlotFolder()}uPlot.min.css`, 'utf8') + css
}

/**
 * What uPlot sees in the place of `Intl`, for the numbers of its axes and the time zone of dates, of which there are
 * none. To set up the real one takes a browser longer than all else here, and it refuses the language of some
 * (en-US@posix).
 */
const PLAIN_INTL = `{
  NumberFormat: function () { this.format = String },
  DateTimeFormat: function () { this.resolvedOptions = function () { return {} } },
}`

/** uPlot, which defines `uPlot`. */
export function uPlotScript(): string {
  const source = readFileSync(`${uPlotFolder()}uPlot.iife.min.js`, 'utf8').trim()
  return `var uPlot = (function (Intl) {\n${source}\nreturn uPlot\n})(${PLAIN_INTL})`
}

/** The scripts of client/. */
export type ClientScript = 'timeline' | 'what-if' | 'flame' | 'steps'

/** A script of client/, by name: as it was built, or from its source where that runs. It imports nothing. */
export function clientScript(name: ClientScript): string {
  const built = new URL(`client/${name}.js`, import.meta.url)
  const source = existsSync(built)
    ? readFileSync(built, 'utf8')
    : nodeModule.stripTypeScriptTypes(readFileSync(new URL(`client/${name}.ts`, import.meta.url), 'utf8'))
  return source.replaceAll(/^(?:\/\/# sourceMappingURL=.*|export \{\};?)$/gm, '').trim()
}

/** The digest of a script or style, as a policy names it. */
export function digestOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

// The scripts and styles that a page carries in itself: uPlot, and what is in client/.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { css } from './css.ts'

const uPlotFolder = createRequire(import.meta.url)
  .resolve('uplot')
  .replace(/[^/\\]*$/, '')

/** The style of a page, uPlot's first. */
export function pageStyle(): string {
  return readFileSync(`${uPlotFolder}uPlot.min.css`, 'utf8') + css
}

/** Numbers are English, as the page is; and some browsers have a language (en-US@posix) that Intl refuses. */
const ENGLISH = "Object.defineProperty(navigator, 'language', { value: 'en' })"

/** uPlot, which defines `uPlot`. */
export function uPlotScript(): string {
  return `${ENGLISH}\n${readFileSync(`${uPlotFolder}uPlot.iife.min.js`, 'utf8').trim()}`
}

/** A script of client/, by name: as it was built, or from its source where that runs. It imports nothing. */
export function clientScript(name: 'timeline' | 'flame'): string {
  const built = new URL(`client/${name}.js`, import.meta.url)
  const source = existsSync(built)
    ? readFileSync(built, 'utf8')
    : stripTypeScriptTypes(readFileSync(new URL(`client/${name}.ts`, import.meta.url), 'utf8'))
  return source.replaceAll(/^(?:\/\/# sourceMappingURL=.*|export \{\};?)$/gm, '').trim()
}

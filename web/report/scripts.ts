// In the place of src/report/html/scripts.ts: what a report's page carries in itself, as it was when this was built.

import { parts } from 'plain:report'

export function pageStyle(): string {
  return parts.style.text
}

export function uPlotScript(): string {
  return parts.uPlot.text
}

export function clientScript(name: 'timeline' | 'flame' | 'steps'): string {
  return parts[name].text
}

/** Throws RangeError for a text that is none of these. */
export function digestOf(text: string): string {
  const found = Object.values(parts).find((part) => part.text === text)
  if (found === undefined)
    throw new RangeError('a report has a script or style that was not there at the build')
  return found.digest
}

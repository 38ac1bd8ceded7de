// Standard output of a command: everything at once, at the end, so that nothing half-written is ever seen.
import { styleFor } from '../report/terminal-style.ts'
import { type TextOptions } from '../report/style.ts'
import { clearProgress } from './progress.ts'

/** Characters that are written at once. */
const CHUNK = 2 ** 20

/** Writes lines of which there may be more than fit into one string. */
export async function printLines(lines: Iterable<string>): Promise<void> {
  let text = ''
  for (const line of lines) {
    text += line
    if (text.length < CHUNK) continue
    await print(text)
    text = ''
  }
  await print(text)
}

/** Writes the whole of what a command says, and waits until it is written. */
export async function print(text: string): Promise<void> {
  clearProgress()
  await new Promise<void>((resolve) => {
    process.stdout.write(text, () => resolve())
  })
}

/** The `--json` form of a result, ending in a newline. */
export function toJson(result: unknown): string {
  return JSON.stringify(result, null, 2) + '\n'
}

/** Emphasis and width for what standard output is: 100 columns wherever it is not a terminal. */
export function textOptions(): TextOptions {
  const width = process.stdout.isTTY ? Math.min(140, Math.max(60, process.stdout.columns)) : 100
  return { style: styleFor(process.stdout), width }
}

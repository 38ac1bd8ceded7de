// The source beside a list of steps: of each file the lines where something happens, and some around them.
import { markup, type Markup } from './markup.ts'

/** A file as it is shown. */
export interface SourceText {
  readonly name: string
  readonly text: string
}

/** Lines that are shown before and after one where something happens. */
const AROUND = 5
/** Characters of a line that are shown, as a program may be all in one. */
const LINE_MAX = 240
/** Steps that are named beside a line. */
const STEPS_MAX = 4

interface ShownFile extends SourceText {
  readonly lines: readonly string[]
  /** By the number of the line, the steps that happen in it. */
  readonly marked: Map<number, number[]>
}

/** Collects where something happens, and then shows it. */
export class Sources {
  readonly #files = new Map<string, ShownFile | null>()
  readonly #sourceOf: (file: string) => SourceText | null

  /** @param sourceOf is given the path of a file, and returns null for one that cannot be read */
  constructor(sourceOf: (file: string) => SourceText | null) {
    this.#sourceOf = sourceOf
  }

  /**
   * Something happens in a line.
   * @returns the identifier that the line gets in the page; null for a line that is not there
   */
  mark(file: string, line: number, step: number | null): string | null {
    const shown = this.#fileOf(file)
    if (shown === null || shown.lines[line - 1] === undefined) return null
    const steps = shown.marked.get(line) ?? []
    if (step !== null) steps.push(step)
    shown.marked.set(line, steps)
    return idOf([...this.#files.keys()].indexOf(file), line)
  }

  #fileOf(file: string): ShownFile | null {
    const known = this.#files.get(file)
    if (known !== undefined) return known
    const source = file === '' ? null : this.#sourceOf(file)
    const shown = source && {
      ...source,
      lines: source.text.split(/\r?\n/),
      marked: new Map<number, number[]>(),
    }
    this.#files.set(file, shown)
    return shown
  }

  /** The files, in the order in which they were come to. */
  markup(): Markup[] {
    return [...this.#files.values()].flatMap((file, number) =>
      file === null || file.marked.size === 0
        ? []
        : [
            markup`<h3>${file.name}</h3>
              <div class="code">${excerpt(file, number)}</div>`,
          ],
    )
  }
}

function idOf(file: number, line: number): string {
  return `s${file}-${line}`
}

function excerpt({ lines, marked }: ShownFile, file: number): Markup[] {
  const out: Markup[] = []
  let last = 0
  for (const marking of [...marked.keys()].toSorted((a, b) => a - b)) {
    const begin = Math.max(last + 1, marking - AROUND)
    // A gap is a line itself, and shorter for no single one.
    const from = begin === last + 2 ? last + 1 : begin
    if (from > last + 1) out.push(markup`<div class="gap">⋮</div>`)
    const to = Math.min(lines.length, marking + AROUND)
    for (let line = from; line <= to; line++)
      out.push(lineMarkup(lines[line - 1]!, file, line, marked.get(line)))
    last = Math.max(last, to)
  }
  return out
}

function lineMarkup(text: string, file: number, line: number, steps: readonly number[] | undefined): Markup {
  const plain = text.replaceAll('\t', '  ')
  const shown = plain.length > LINE_MAX ? `${plain.slice(0, LINE_MAX - 1)}…` : plain
  const kind = steps === undefined ? 'line' : 'line marked'
  return markup`<div class="${kind}" id="${idOf(file, line)}"><span class="number">${line}</span><span
    class="at">${stepsText(steps ?? [])}</span><code>${shown}</code></div>`
}

function stepsText(steps: readonly number[]): string {
  return steps.length > STEPS_MAX ? `${steps.slice(0, STEPS_MAX).join(' ')} …` : steps.join(' ')
}

// The Trace Event Format, which Perfetto (ui.perfetto.dev) and chrome://tracing read: JSON, an event a line.

/** An event of the format; times in microseconds. */
export interface TraceEvent {
  readonly ph: 'M' | 'X' | 'i' | 's' | 'f' | 'C'
  readonly name: string
  readonly cat?: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur?: number
  readonly id?: number
  /** Of an instant: how far it reaches; 't' is the thread. */
  readonly s?: 't' | 'g'
  /** Of the end of an arrow: it belongs to the slice around it. */
  readonly bp?: 'e'
  readonly args?: Readonly<Record<string, unknown>>
}

/** Writes a trace piece by piece, so that it need not be in memory as a whole. */
export class TraceEventWriter {
  readonly #write: (text: string) => void
  #pending = '{"traceEvents":['
  #isFirst = true

  /** @param write is given pieces of some hundred KiB */
  constructor(write: (text: string) => void) {
    this.#write = write
  }

  add(event: TraceEvent): void {
    this.#pending += `${this.#isFirst ? '' : ','}\n${JSON.stringify(event)}`
    this.#isFirst = false
    if (this.#pending.length >= PIECE) this.#flush()
  }

  end(): void {
    this.#pending += '\n],"displayTimeUnit":"ns"}\n'
    this.#flush()
  }

  #flush(): void {
    this.#write(this.#pending)
    this.#pending = ''
  }
}

const PIECE = 256 * 1024

/** The text of a trace file. */
export function traceEventsText(events: Iterable<TraceEvent>): string {
  const pieces: string[] = []
  const writer = new TraceEventWriter((text) => pieces.push(text))
  for (const event of events) writer.add(event)
  writer.end()
  return pieces.join('')
}

// A counterexample as a trace for Perfetto (ui.perfetto.dev) or chrome://tracing.
//
// The form is the Trace Event Format, which Perfetto reads too: a track for each thread, slices for calls and in them
// for operations, an arrow from each write to the read of another thread that saw it, an instant where another thread
// goes on, and a counter for each cell that one thread changes and another uses. Operations are slices and not
// instants, since an arrow has to begin and to end in a slice. Time is the order of events, TICK microseconds each.

import { type Counterexample, type CounterexampleEvent, threadsOf } from './counterexample-data.ts'
import { type TraceEvent, traceEventsText } from './trace-events.ts'

const PROCESS = 1
/** From one event to the next. */
const TICK = 10
/** How long an operation is. */
const LENGTH = 8
/** Cells that are counters, at most: more are no help. */
const COUNTERS_MAX = 24

/** The text of a trace file. `title` is what the process is called. */
export function perfettoTrace(counterexample: Counterexample, title: string): string {
  const { noun, events, broken } = counterexample
  const trace: TraceEvent[] = [metadata('process_name', 0, { name: title })]
  for (const thread of threadsOf(counterexample)) {
    trace.push(metadata('thread_name', thread, { name: `${noun} ${thread}` }))
    trace.push(metadata('thread_sort_index', thread, { sort_index: thread }))
  }
  trace.push(...callSlices(counterexample))
  events.forEach((event, at) => trace.push(...operationEvents(counterexample, event, at)))
  trace.push(...counters(events))
  const last = events.at(-1)
  trace.push({
    ph: 'i',
    name: `${broken.kind}: ${broken.message}`,
    cat: 'failure',
    s: 'g',
    ts: events.length * TICK,
    ...trackOf(last?.thread ?? 0),
    args: { details: broken.details.join('\n') },
  })
  return traceEventsText(trace)
}

function trackOf(thread: number): { readonly pid: number; readonly tid: number } {
  return { pid: PROCESS, tid: thread }
}

function metadata(name: string, thread: number, args: Readonly<Record<string, unknown>>): TraceEvent {
  return { ph: 'M', name, ts: 0, ...trackOf(thread), args }
}

/** A slice for each call, from its first event to its last. */
function callSlices({ calls, events }: Counterexample): TraceEvent[] {
  const first = new Map<number, number>()
  const last = new Map<number, number>()
  events.forEach(({ call }, at) => {
    for (let inside = call; inside !== null; inside = calls[inside]!.caller) {
      if (!first.has(inside)) first.set(inside, at)
      last.set(inside, at)
    }
  })
  return calls.map(({ thread, function: name, place }, call) => {
    // A call and the first in it begin at one time: the outer one comes first in the list.
    const ts = first.get(call)! * TICK
    return {
      ph: 'X',
      name,
      cat: 'call',
      ts,
      dur: last.get(call)! * TICK + LENGTH - ts,
      ...trackOf(thread),
      args: { place },
    }
  })
}

/** The slice of an operation, the arrow to it, and what is said of a switch in front of it. */
function operationEvents({ events }: Counterexample, event: CounterexampleEvent, at: number): TraceEvent[] {
  const { thread, step, name, text, before, after, from, place } = event
  const ts = at * TICK
  const out: TraceEvent[] = []
  if (event.switch !== null)
    out.push({ ph: 'i', name: event.switch, cat: 'switch', s: 't', ts: ts - 1, ...trackOf(thread) })
  const args = { step, name, before, after, place }
  out.push({ ph: 'X', name: text, cat: event.operation, ts, dur: LENGTH, ...trackOf(thread), args })
  if (from === null) return out
  const arrow = { name: 'reads', cat: 'reads-from', id: at }
  // In the middle of the slices, so that it is plain to which they belong.
  out.push({ ph: 's', ...arrow, ts: from * TICK + LENGTH / 2, ...trackOf(events[from]!.thread) })
  out.push({ ph: 'f', bp: 'e', ...arrow, ts: ts + LENGTH / 2, ...trackOf(thread) })
  return out
}

/** The values of the cells that one thread changes and another uses. */
function counters(events: readonly CounterexampleEvent[]): TraceEvent[] {
  const users = new Map<string, Set<number>>()
  const changed = new Set<string>()
  for (const { name, thread, before, after } of events) {
    if (name === '' || after === null) continue
    users.set(name, (users.get(name) ?? new Set()).add(thread))
    if (before !== after) changed.add(name)
  }
  const common = [...changed].filter((name) => users.get(name)!.size > 1).slice(0, COUNTERS_MAX)
  const values = new Map<string, number>()
  const out: TraceEvent[] = []
  events.forEach(({ name, before, after }, at) => {
    if (after === null || !common.includes(name)) return
    const say = (value: number, ts: number): void => {
      if (values.get(name) === value) return
      values.set(name, value)
      out.push({ ph: 'C', name, ts, ...trackOf(0), args: { value } })
    }
    if (before !== null) say(before, at * TICK)
    say(after, at * TICK + LENGTH)
  })
  return out
}

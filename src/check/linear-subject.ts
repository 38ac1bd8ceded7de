// Linearizability: programs of calls on a shared object, and whether the results of an execution are those of some
// order of the calls on a sequential one (Herlihy and Wing, TOPLAS 1990).
//
// The order keeps what was over before something else began. It is sought as Wing and Gong do (JPDC 1993): whatever may
// come next and gives what it gave is tried. Executions with the same history have the same answer, which is kept; what
// the sequential object is made of may be hidden, so that its states are not compared (as Lowe does, 2017).

import { inspect } from 'node:util'
import { type Enders, alone, memory, newEnders, setPreparing } from '../backends/stepped/index.ts'
import type { Subject } from './run-once.ts'
import type { LinearDescription, Operation } from './linear-description.ts'
import type { BegunCall, PerformedCall, PlannedCall, performCalls } from './perform-calls.ts'
import { Random } from './random.ts'
import { stateDigest } from './state-digest.ts'
import { NoScenario } from './no-scenario.ts'
import { SetupFailed } from './user-scenario.ts'

const PROGRAMS = 100
const THREADS_MAX = 4
const CALLS_MAX = 4
/** So many choices by chance in vain for each program: there are hardly any left. */
const TRIES = 20

/** The results of the calls are those of no order in which a sequential object could have been called. */
export class NotLinearizable extends Error {
  override readonly name = 'NotLinearizable'
}

/** For each thread, its calls. */
type CallProgram = readonly (readonly PlannedCall[])[]

/** The programs of a description, smaller ones first, and how many there are to choose from. */
export function linearPrograms(
  description: LinearDescription,
  perform: typeof performCalls,
): { readonly programs: readonly Subject[]; readonly inAll: number } {
  const { roles, threads = roles?.length ?? 2, calls = 2, programs: most = PROGRAMS, seed = 0 } = description
  const isCount = (count: number, limit: number): boolean =>
    Number.isInteger(count) && count >= 1 && count <= limit
  if (!isCount(threads, THREADS_MAX) || threads < 2 || !isCount(calls, CALLS_MAX))
    throw new NoScenario(
      `linearizable() cannot run ${threads} threads of ${calls} calls`,
      `give 2 to ${THREADS_MAX} threads, and 1 to ${CALLS_MAX} calls`,
    )
  const planned = Object.entries(description.operations).flatMap(([name, operation]) =>
    callsOf(name, operation),
  )
  if (planned.length === 0) throw new NoScenario('linearizable() has no operations', 'name at least one')
  const { programs, inAll } = choosePrograms(groupsOf(planned, roles, threads), calls, most, seed)
  return { programs: programs.map((each) => linearSubject(description, each, perform)), inAll }
}

function callsOf(name: string, operation: Operation<unknown>): PlannedCall[] {
  const isList = Array.isArray(operation)
  const isFunction = typeof operation === 'function'
  const { call = null, arguments: lists = [[]] } =
    isList || isFunction ? {} : (operation as { call?: never; arguments?: never })
  const called = (isFunction ? operation : call) as PlannedCall['call']
  return (
    isList ? (operation as readonly (readonly unknown[])[]) : (lists as readonly (readonly unknown[])[])
  ).map((args) => ({ name, call: called, args }))
}

// ---------------------------------------------------------------------------------------------------------------------
// Choosing programs

/** Threads that may call the same. */
interface Group {
  readonly planned: readonly PlannedCall[]
  readonly threads: number[]
}

/** Threads with one role are alike. Throws NoScenario. */
function groupsOf(
  planned: readonly PlannedCall[],
  roles: LinearDescription['roles'],
  threads: number,
): Group[] {
  if (roles === undefined) return [{ planned, threads: Array.from({ length: threads }, (_, id) => id) }]
  if (roles.length !== threads)
    throw new NoScenario(
      `linearizable() has ${roles.length} roles for ${threads} threads`,
      'leave threads out: there is one for each role',
    )
  const groups = new Map<string, Group>()
  for (const [thread, names] of roles.entries()) {
    const own = planned.filter(({ name }) => names.includes(name))
    const unknown = names.find((name) => !planned.some((each) => each.name === name))
    if (unknown !== undefined || own.length === 0)
      throw new NoScenario(
        unknown === undefined
          ? `linearizable() has a role without operations`
          : `linearizable() has a role with '${unknown}', which is not an operation`,
        'let each role name operations',
      )
    const key = names.toSorted().join('\n')
    const present = groups.get(key)
    if (present === undefined) groups.set(key, { planned: own, threads: [thread] })
    else present.threads.push(thread)
  }
  return [...groups.values()]
}

/** Programs that differ only in which of the threads of a group does what are one. */
function choosePrograms(
  groups: readonly Group[],
  calls: number,
  most: number,
  seed: number,
): { programs: CallProgram[]; inAll: number } {
  const programs: CallProgram[] = []
  const random = new Random(seed, 0)
  let inAll = 0
  for (let length = 1; length <= calls; length++) {
    const kinds = groups.map(({ planned }) => planned.length ** length)
    const count = groups.reduce((ways, { threads }, at) => ways * multisets(kinds[at]!, threads.length), 1)
    inAll += count
    const left = most - programs.length
    const chosen = count <= left ? allChoices(groups, kinds) : someChoices(groups, kinds, left, random)
    for (const choice of chosen) programs.push(programOf(choice, groups, length))
  }
  return { programs, inAll }
}

/** For each group, the numbers of the sequences of its threads. */
type Choice = readonly (readonly number[])[]

function programOf(choice: Choice, groups: readonly Group[], length: number): CallProgram {
  const program: PlannedCall[][] = []
  for (const [at, { planned, threads }] of groups.entries())
    for (const [index, thread] of threads.entries())
      program[thread] = sequenceOf(choice[at]![index]!, planned, length)
  return program
}

function allChoices(groups: readonly Group[], kinds: readonly number[]): Choice[] {
  let all: Choice[] = [[]]
  for (const [at, { threads }] of groups.entries()) {
    const own = allMultisets(kinds[at]!, threads.length)
    all = all.flatMap((before) => own.map((each) => [...before, each]))
  }
  return all
}

/** How many ways there are to choose `size` of `kinds`, with repetition and without an order. */
function multisets(kinds: number, size: number): number {
  let ways = 1
  for (let each = 1; each <= size; each++) ways = (ways * (kinds + each - 1)) / each
  return Math.round(ways)
}

function allMultisets(kinds: number, size: number, from = 0): number[][] {
  if (size === 0) return [[]]
  const all: number[][] = []
  for (let first = from; first < kinds; first++)
    for (const rest of allMultisets(kinds, size - 1, first)) all.push([first, ...rest])
  return all
}

function someChoices(
  groups: readonly Group[],
  kinds: readonly number[],
  count: number,
  random: Random,
): Choice[] {
  const chosen = new Map<string, Choice>()
  for (let tries = 0; chosen.size < count && tries < count * TRIES; tries++) {
    const choice = groups.map(({ threads }, at) =>
      threads.map(() => random.below(kinds[at]!)).toSorted((a, b) => a - b),
    )
    chosen.set(choice.join(' '), choice)
  }
  return [...chosen.values()]
}

/** The `number`th sequence of calls of a length. */
function sequenceOf(number: number, planned: readonly PlannedCall[], length: number): PlannedCall[] {
  const sequence: PlannedCall[] = []
  for (let rest = number; sequence.length < length; rest = Math.floor(rest / planned.length))
    sequence.push(planned[rest % planned.length]!)
  return sequence
}

// ---------------------------------------------------------------------------------------------------------------------
// A program as the explorer wants it

function linearSubject(
  { create, specification, terminate = false }: LinearDescription,
  program: CallProgram,
  perform: typeof performCalls,
): Subject {
  let performed: PerformedCall[] = []
  let begun: BegunCall[] = []
  let ending: Enders | null = null
  const own = program.map((_, thread) => thread)
  const makeModel = modelMaker(specification)
  const answers = new Map<string, boolean>()
  return {
    threads: terminate ? 2 * program.length : program.length,
    hidden: terminate ? own.map((thread) => program.length + thread) : [],
    begin() {
      memory.restore()
      performed = []
      begun = []
      let object: unknown
      try {
        setPreparing(true)
        object = alone(create())
      } catch (error) {
        throw new SetupFailed(`create() of linearizable() throws ${String(error)}`, { cause: error })
      } finally {
        setPreparing(false)
      }
      refuseMissing(object, program)
      const endedCalls = new Int32Array(new SharedArrayBuffer(program.length * 4))
      const bodies = program.map(
        (calls, thread) => () => perform(object, calls, thread, endedCalls, begun, performed),
      )
      ending = terminate ? newEnders() : null
      return ending === null ? bodies : [...bodies, ...own.map(ending.serve)]
    },
    end() {
      const history = own.map((thread) => performed.filter((each) => each.thread === thread))
      const cut = begun.find(({ thread, turn }) => turn >= history[thread]!.length) ?? null
      const key = JSON.stringify([
        history.map((calls) => calls.map((each) => [each.ended, resultDigest(each)])),
        cut,
      ])
      let answer = answers.get(key)
      if (answer === undefined) answers.set(key, (answer = isLinearizable(program, history, cut, makeModel)))
      if (!answer)
        throw new NotLinearizable(`no order of the calls gives these results\n${told(program, history, cut)}`)
    },
  }
}

/** Throws NoScenario for an operation that is a method by its form, and that the object does not have. */
function refuseMissing(object: unknown, program: CallProgram): void {
  for (const { name, call } of program.flat())
    if (call === null && typeof (object as Record<string, unknown> | null | undefined)?.[name] !== 'function')
      throw new NoScenario(
        `what create() of linearizable() makes has no method '${name}'`,
        'name the operation as the method, or give a function that gets the object',
      )
}

type Model = Record<string, ((...args: readonly unknown[]) => unknown) | undefined>

function modelMaker(specification: LinearDescription['specification']): () => Model {
  const isClass = /^class\b/.test(Function.prototype.toString.call(specification))
  return () =>
    (isClass ? new (specification as new () => object)() : (specification as () => object)()) as Model
}

function resultDigest({ result, threw }: Pick<PerformedCall, 'result' | 'threw'>): string {
  return threw ? `throws ${String(result)}` : (stateDigest(result) ?? String(result))
}

type History = readonly (readonly PerformedCall[])[]

/** Whether some order of the calls gives their results: that in which a thread was ended may be among them or not. */
function isLinearizable(
  program: CallProgram,
  history: History,
  cut: BegunCall | null,
  makeModel: () => Model,
): boolean {
  const search = (order: readonly (readonly [thread: number, turn: number])[]): boolean => {
    const done = program.map((_, thread) => order.filter(([each]) => each === thread).length)
    if (done.every((count, thread) => count >= history[thread]!.length)) return true
    for (const [thread, calls] of history.entries()) {
      const turn = done[thread]!
      const isCut = cut !== null && cut.thread === thread && cut.turn === turn
      const next: BegunCall | undefined = isCut ? cut : calls[turn]
      // Something that is not done yet was over before it began.
      if (next === undefined || next.ended.some((count, other) => count > done[other]!)) continue
      const again = alone(makeModel()) as Model
      for (const [before, its] of order) callModel(again, program[before]![its]!)
      const result = resultDigest(callModel(again, program[thread]![turn]!))
      if (!isCut && result !== resultDigest(calls[turn]!)) continue
      if (search([...order, [thread, turn]])) return true
    }
    return false
  }
  return search([])
}

function callModel(model: Model, { name, args }: PlannedCall): Pick<PerformedCall, 'result' | 'threw'> {
  const method = model[name]
  if (typeof method !== 'function')
    throw new NoScenario(
      `the specification of linearizable() has no method '${name}'`,
      'name it as the operation',
    )
  try {
    return { result: alone(method.apply(model, [...args])), threw: false }
  } catch (error) {
    return { result: error, threw: true }
  }
}

/** The calls and their results, a line each. */
function told(program: CallProgram, history: History, cut: BegunCall | null): string {
  const callOf = (thread: number, turn: number): string => {
    const { name, args } = program[thread]![turn]!
    return `  thread ${thread}: ${name}(${args.map(shown).join(', ')})`
  }
  const lines = history.flatMap((calls, thread) =>
    calls.map((each, turn) => {
      const result = each.threw ? `throws ${String(each.result)}` : `= ${shown(each.result)}`
      const before = each.ended.flatMap((count, other) =>
        other === thread || count === 0 ? [] : [`call ${count} of thread ${other}`],
      )
      return `${callOf(thread, turn)} ${result}${before.length === 0 ? '' : `, begun after ${before.join(' and ')}`}`
    }),
  )
  const last = cut === null ? [] : [`${callOf(cut.thread, cut.turn)} was cut: its thread was ended`]
  return [...lines, ...last].join('\n')
}

function shown(value: unknown): string {
  return inspect(value, { depth: 3, breakLength: Infinity })
}

// Validates the arguments of a check before anything runs: with an unknown option, or one that is not a number, the
// check would test something else than intended, and pass.

import { inspect } from 'node:util'
import type { CheckOptions } from './check-result.ts'
import type { Linearizable } from './linear-description.ts'
import { nearest } from './nearest.ts'
import type { Scenario } from './scenario.ts'
import { NoScenario } from './no-scenario.ts'

const anything = (): true => true
const isText = (value: unknown): boolean => typeof value === 'string'
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isFunction = (value: unknown): boolean => typeof value === 'function'
const isCount =
  (least: number) =>
  (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) >= least
const isSeconds = (value: unknown): boolean => typeof value === 'number' && value >= 0
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null

type Rules<Given> = Readonly<
  Record<keyof Given, readonly [isUsable: (value: unknown) => boolean, allowed: string]>
>

const optionRules: Rules<CheckOptions> = {
  bound: [(value) => value === null || isCount(0)(value), 'a whole number from 0, or null'],
  coverage: [isBoolean, 'true or false'],
  depth: [isCount(1), 'a whole number from 1'],
  ledger: [isText, 'the path of a file'],
  maxExecutions: [isCount(1), 'a whole number from 1'],
  maxSteps: [isCount(1), 'a whole number from 1'],
  minimiseSeconds: [isSeconds, 'a number from 0'],
  onProgress: [isFunction, 'a function'],
  patches: [Array.isArray, 'a list'],
  seconds: [(value) => isSeconds(value) && value !== 0, 'a number above 0'],
  seed: [isCount(0), 'a whole number from 0'],
  shard: [isObject, '{ index, count }'],
  strategy: [(value) => ['dpor', 'pct', 'random'].includes(value as string), "'dpor', 'pct' or 'random'"],
  timeouts: [isCount(0), 'a whole number from 0'],
  turns: [isCount(1), 'a whole number from 1'],
  workers: [isCount(1), 'a whole number from 1'],
}

const scenarioRules: Rules<Scenario> = {
  title: [isText, 'a text'],
  setup: [isFunction, 'a function'],
  // Told apart where it is known whose they are.
  threads: [anything, 'a list of functions'],
  invariant: [isFunction, 'a function'],
  terminate: [isBoolean, 'true or false'],
  options: [isObject, 'an object'],
}

const linearRules: Rules<Linearizable> = {
  ...optionRules,
  name: [isText, 'a text'],
  create: [isFunction, 'a function that makes the object'],
  operations: [isObject, 'an object with an operation for each name'],
  specification: [isFunction, 'a class, or a function that makes an object'],
  roles: [Array.isArray, 'a list with the names of operations for each thread'],
  terminate: scenarioRules.terminate,
  // How many there may be is told where they are made.
  threads: [anything, ''],
  calls: [anything, ''],
  programs: [isCount(1), 'a whole number from 1'],
}

const { title: _, options: __, ...inlineRules } = scenarioRules

const rules = {
  check: { ...optionRules, ...inlineRules, name: linearRules.name },
  linearizable: linearRules,
  scenario: scenarioRules,
  options: optionRules,
}

/** Throws NoScenario for what `caller` is given that is not known, or not usable. */
export function refuseUnknown(kind: keyof typeof rules, caller: string, given: unknown): void {
  if (!isObject(given) || Array.isArray(given))
    throw new NoScenario(
      `the argument of ${caller} is not an object`,
      'give an object, as its documentation shows',
    )
  const known = rules[kind] as Readonly<Record<string, Rules<CheckOptions>['seed'] | undefined>>
  for (const [name, value] of Object.entries(given as object)) {
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known)
      const near = nearest(name, names)
      const hint = near === undefined ? '' : `: did you mean '${near}'?`
      throw new NoScenario(`${caller} has no option '${name}'${hint}`, `known: ${names.join(', ')}`)
    }
    const [isUsable, allowed] = known[name]!
    if (value !== undefined && !isUsable(value))
      throw new NoScenario(
        `'${name}' of ${caller} is ${inspect(value)}, and not ${allowed}`,
        `give ${allowed}`,
      )
  }
}

/** Throws NoScenario for what linearizable() needs and is not given, and for operations that cannot be called. */
export function refuseOperations(description: Linearizable): void {
  for (const name of ['create', 'operations', 'specification'] as const)
    if (description[name] === undefined)
      throw new NoScenario(`linearizable() lacks '${name}'`, `give ${linearRules[name][1]}`)
  for (const [name, operation] of Object.entries(description.operations) as [string, unknown][]) {
    const isCallable = typeof operation === 'function'
    const { call, arguments: lists } = (
      isCallable ? {} : Array.isArray(operation) ? { arguments: operation } : (operation ?? {})
    ) as { readonly call?: unknown; readonly arguments?: unknown }
    const areLists = lists === undefined || (Array.isArray(lists) && lists.every(Array.isArray))
    if (isCallable || (isObject(operation) && areLists && (call === undefined || isFunction(call)))) continue
    throw new NoScenario(
      `the operation '${name}' of linearizable() is not usable`,
      'give a list with a list of arguments for each way to call it, as [[]] or [[1], [2]], a function, or { call, arguments }',
    )
  }
}

// The two forms of a function that can stop, from the steps that it is made of.
//
// The fast form runs from the beginning. After each call that may have stopped it looks whether it has, and then leaves
// with what it needs to go on. The form that goes on (`$resume`) has a guard before each step: those that were done are
// passed over, until it is where it stopped. Both are the same code otherwise.

import type { Node } from './syntax.ts'
import * as tree from './tree.ts'

/** Steps in their order. A call that may stop stands alone. */
export type Step =
  | { readonly kind: 'plain'; readonly node: Node }
  | { readonly kind: 'point'; readonly target: string; readonly call: Node; number: number }
  | { readonly kind: 'if'; readonly test: Node; readonly yes: Steps; readonly otherwise: Steps }
  | {
      readonly kind: 'loop'
      readonly label: string | null
      readonly test: Node | null
      readonly update: Node | null
      readonly body: Steps
    }
  | { readonly kind: 'label'; readonly label: string; readonly body: Steps }
  | {
      readonly kind: 'try'
      readonly body: Steps
      /** What is done with what was thrown; nothing there may stop. */
      readonly caught: { readonly name: string; readonly body: readonly Node[] } | null
      readonly last: readonly Node[] | null
    }
  | {
      readonly kind: 'switch'
      readonly on: Node
      readonly cases: readonly { readonly test: Node | null; readonly body: Steps }[]
    }

export type Steps = readonly Step[]

/** The names that the runtime has in the steppable form. */
export interface FormNames {
  readonly state: string
  readonly save: string
}

const PC = '$pc'
const WAS = '$was'
const STOP = '$stop'

/**
 * Numbers the calls that may stop, in their order and from 2 on. Returns the last number. A number is odd where nothing
 * of the function is left to do if the call throws: the runtime passes over its frame then.
 */
function numberPoints(steps: Steps, from = 0, inTry = false): number {
  let last = from
  for (const step of steps) {
    if (step.kind === 'point') {
      last = last - (last % 2) + (inTry ? 2 : 3)
      step.number = last
    } else for (const inner of innerOf(step)) last = numberPoints(inner, last, inTry || step.kind === 'try')
  }
  return last
}

function innerOf(step: Step): readonly Steps[] {
  switch (step.kind) {
    case 'if':
      return [step.yes, step.otherwise]
    case 'loop':
    case 'label':
    case 'try':
      return [step.body]
    case 'switch':
      return step.cases.map(({ body }) => body)
    default:
      return []
  }
}

/** The last point in steps; 0 where there is none. */
function lastIn(steps: Steps): number {
  let last = 0
  for (const step of steps) last = Math.max(last, lastOf(step))
  return last
}

function lastOf(step: Step): number {
  return step.kind === 'point' ? step.number : Math.max(0, ...innerOf(step).map(lastIn))
}

/** Writes steps as statements: of the fast form, or of the one that goes on. */
export class Writer {
  readonly #names: FormNames
  readonly #resumes: boolean

  constructor(names: FormNames, resumes: boolean) {
    this.#names = names
    this.#resumes = resumes
  }

  write(steps: Steps, more = false): Node[] {
    const out: Node[] = []
    let passed: Node[] = []
    const flush = (): void => {
      if (passed.length > 0) out.push(tree.when(isAt(0), passed))
      passed = []
    }
    steps.forEach((step, index) => {
      const later = more || lastIn(steps.slice(index + 1)) > 0
      const last = lastOf(step)
      const nodes = this.#step(step)
      if (!this.#resumes || !later) {
        flush()
        out.push(...nodes)
      } else if (last === 0) {
        passed.push(...nodes)
      } else {
        flush()
        out.push(tree.when(tree.binary('<=', tree.name(PC), tree.literal(last)), nodes))
      }
    })
    flush()
    return out
  }

  #step(step: Step): Node[] {
    switch (step.kind) {
      case 'plain':
        return [step.node]
      case 'point':
        return this.#point(step)
      case 'if':
        return [tree.when(this.#test(step), this.write(step.yes), this.write(step.otherwise))]
      case 'label':
        return [tree.labeled(step.label, tree.block(this.write(step.body)))]
      case 'loop':
        return [this.#loop(step)]
      case 'try':
        return [this.#try(step)]
      case 'switch':
        return [this.#switch(step)]
    }
  }

  #point({ target, call, number }: Step & { kind: 'point' }): Node[] {
    const stopped = [
      tree.does(tree.assign(tree.name(PC), tree.literal(number))),
      tree.does(tree.assign(tree.name(WAS), tree.name(target))),
      tree.leave(STOP),
    ]
    const asked = [
      tree.does(tree.assign(tree.name(target), call)),
      tree.when(tree.member(tree.name(this.#names.state), 'stopping'), stopped),
    ]
    if (!this.#resumes) return asked
    const resumed = [
      tree.does(tree.assign(tree.name(PC), tree.literal(0))),
      tree.when(tree.name('$thrown'), [tree.raises(tree.name('$value'))]),
      tree.does(tree.assign(tree.name(target), tree.name('$value'))),
    ]
    return [tree.when(isAt(0), asked, resumed)]
  }

  #test({ test, yes, otherwise }: Step & { kind: 'if' }): Node {
    if (!this.#resumes) return test
    const [inThen, inOther] = [lastIn(yes), lastIn(otherwise)]
    if (inOther === 0)
      return inThen === 0
        ? test
        : tree.logical('||', tree.binary('!==', tree.name(PC), tree.literal(0)), test)
    if (inThen === 0) return tree.logical('&&', isAt(0), test)
    return tree.either(isAt(0), test, tree.binary('<=', tree.name(PC), tree.literal(inThen)))
  }

  #loop({ label, test, update, body }: Step & { kind: 'loop' }): Node {
    const goesOn =
      test === null || !this.#resumes || lastIn(body) === 0
        ? test
        : tree.logical('||', tree.binary('!==', tree.name(PC), tree.literal(0)), test)
    const loop = tree.make('ForStatement', {
      init: null,
      test: goesOn,
      update,
      body: tree.block(this.write(body)),
    })
    return label === null ? loop : tree.labeled(label, loop)
  }

  #try({ body, caught, last }: Step & { kind: 'try' }): Node {
    const handler =
      caught === null
        ? null
        : tree.make('CatchClause', { param: tree.name(caught.name), body: tree.block(caught.body) })
    const stopping = tree.member(tree.name(this.#names.state), 'stopping')
    const finalizer = last === null ? null : tree.block([tree.when(tree.not(stopping), last)])
    return tree.make('TryStatement', { block: tree.block(this.write(body)), handler, finalizer })
  }

  #switch({ on, cases }: Step & { kind: 'switch' }): Node {
    return tree.make('SwitchStatement', {
      discriminant: on,
      cases: cases.map(({ test, body }, index) => {
        const more = cases.slice(index + 1).some((each) => lastIn(each.body) > 0)
        return tree.make('SwitchCase', { test, consequent: this.write(body, more) })
      }),
    })
  }
}

function isAt(number: number): Node {
  return tree.binary('===', tree.name(PC), tree.literal(number))
}

/** How a function keeps what it needs where it stops. */
export interface Kept {
  /** Variables and temporaries that are declared in its body. */
  readonly declared: readonly string[]
  readonly parameters: readonly string[]
  /** Those of both that are kept. */
  readonly variables: readonly string[]
  /** Names in the form that goes on, and what they are in the fast form: `this` and the like. */
  readonly surroundings: readonly (readonly [string, Node])[]
  /** Writes what is only to be in the form that goes on. */
  readonly adapt: (node: Node) => Node
}

/**
 * The statements of a function that can stop. Where functions inside can stop too, it has one form only (`isSingle`), a
 * closure that each call makes: otherwise their code would be there twice, and four times one level further in.
 */
export function writeBody(steps: Steps, kept: Kept, names: FormNames, isSingle: boolean): Node[] {
  const points = numberPoints(steps)
  const fast = (): Node[] => new Writer(names, false).write(steps)
  if (points === 0) return [...declarations(kept.declared), ...fast()]
  const around = isSingle ? [] : kept.surroundings
  const resume = tree.arrow(
    ['$frame', '$value', '$thrown'],
    [
      restore(kept, isSingle),
      kept.adapt(stopsAt(new Writer(names, true).write(steps))),
      tree.gives(
        savedAs(
          names,
          element('$frame', 0),
          tree.name(PC),
          around.map(([each]) => tree.name(each)),
          kept,
        ),
      ),
    ],
  )
  if (isSingle) {
    const first = kept.variables.map((each) =>
      kept.parameters.includes(each) ? tree.name(each) : tree.nothing(),
    )
    const frame = tree.list([tree.name('$resume'), tree.literal(0), ...first])
    return [tree.declare('const', [['$resume', resume]]), tree.gives(tree.call('$resume', [frame]))]
  }
  const own = around.map(([, value]) => value)
  return [
    ...declarations([...kept.declared, PC, WAS]),
    stopsAt(fast()),
    tree.gives(savedAs(names, resume, tree.name(PC), own, kept)),
  ]
}

function declarations(all: readonly string[]): Node[] {
  return all.length === 0
    ? []
    : [
        tree.declare(
          'let',
          all.map((each) => [each, null]),
        ),
      ]
}

/** Leaves with a frame: what goes on, where, and with what. */
function savedAs(names: FormNames, resume: Node, at: Node, around: readonly Node[], kept: Kept): Node {
  const variables = kept.variables.map((each) => tree.name(each))
  return tree.call(names.save, [tree.name(WAS), tree.list([resume, at, ...around, ...variables])])
}

function stopsAt(body: readonly Node[]): Node {
  const ends = /^(Return|Throw)Statement$/.test(body.at(-1)?.type ?? '')
  return tree.labeled(STOP, tree.block(ends ? body : [...body, tree.gives(null)]))
}

function restore(kept: Kept, isSingle: boolean): Node {
  const slots = [...(isSingle ? [] : kept.surroundings.map(([each]) => each)), ...kept.variables]
  const all = isSingle ? kept.declared : [...kept.declared, ...kept.parameters]
  const others = all.filter((each) => !slots.includes(each))
  return tree.declare('let', [
    [PC, element('$frame', 1)],
    [WAS, null],
    ...slots.map((each, index): [string, Node] => [each, element('$frame', index + 2)]),
    ...others.map((each): [string, null] => [each, null]),
  ])
}

function element(array: string, index: number): Node {
  return tree.member(tree.name(array), tree.literal(index))
}

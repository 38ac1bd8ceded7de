// A function of WebAssembly, written in JavaScript: each place of its stack of operands is a variable `s0`, `s1`, …,
// and each block a statement with a label. So instructions that do something happen in the order of the module, each on
// its own line; what only computes, and cannot trap, stands in the expression that takes it.

import { accessOf } from './accesses.ts'
import {
  type FunctionType,
  type Instruction,
  Untranslatable,
  type ValueType,
  type WasmModule,
} from './binary.ts'
import { binary, unary } from './numbers.ts'

/** How functions and globals of a module are called in its text, by number. */
export interface Names {
  readonly functions: readonly string[]
  readonly globals: readonly string[]
}

/** What tells types of functions apart, for call_indirect. */
export function signature({ params, results }: FunctionType): string {
  return `${params.join()}:${results.join()}`
}

/** A value that comes from JavaScript, as one of the type. */
export function coerced(type: ValueType, value: string): string {
  switch (type) {
    case 'i32':
      return `+${value} | 0`
    case 'i64':
      return `BigInt.asIntN(64, ${value})`
    case 'f32':
      return `Math.fround(${value})`
    case 'f64':
      return `+${value}`
    case 'ref':
      return value
  }
}

const zero = (type: ValueType): string => (type === 'ref' ? 'null' : type === 'i64' ? '0n' : '0')

export function constant({ name, literal }: Instruction): string {
  if (name === 'i64.const') return `${literal as bigint}n`
  return Object.is(literal, -0) ? '-0' : String(literal)
}

/** The name of a place of the stack. */
const slot = (index: number): string => `s${index}`

/** What is on the stack, but in no place of it yet. */
interface Pending {
  readonly text: string
  /** The places and locals that it reads. The former are its own, or above it. */
  readonly reads: readonly string[]
}

/** The longest text that is kept pending, in characters: what is nested deeper takes the parser long. */
const LONGEST = 200
const isSimple = (text: string): boolean => /^(?:[sv]?\d+n?|\(-[\d.]+n?\)|[\d.]+)$/.test(text)
/** How a comparison ends. */
const TRUTH = / \? 1 : 0\)$/

interface Block {
  readonly kind: 'function' | 'block' | 'loop' | 'if'
  readonly label: string
  /** How many operands there were before its own. */
  readonly base: number
  readonly type: FunctionType
}

/** The text of the function with this number, which has a body; `converts` if JavaScript may call it. */
export function functionText(module: WasmModule, names: Names, index: number, converts: boolean): string {
  return new FunctionWriter(module, names, index).write(converts)
}

class FunctionWriter {
  readonly #module: WasmModule
  readonly #names: Names
  readonly #index: number
  readonly #type: FunctionType
  readonly #lines: string[] = []
  readonly #blocks: Block[] = []
  #height = 0
  /** By places of the stack. */
  readonly #pending = new Map<number, Pending>()
  #highest = 0
  #labels = 0
  #usesAddress = false
  /** Whether the next instruction is done already. */
  #isDone = false
  /** How many blocks have begun in code that is never reached, with that in which it stands; 0 in other code. */
  #skipped = 0

  constructor(module: WasmModule, names: Names, index: number) {
    this.#module = module
    this.#names = names
    this.#index = index
    this.#type = module.functions[index]!.type
  }

  write(converts: boolean): string {
    const { locals, code } = this.#module.functions[this.#index]!.body!
    const { params } = this.#type
    this.#blocks.push({ kind: 'function', label: '', base: 0, type: this.#type })
    for (const [at, each] of code.entries()) this.#instruction(each, code[at + 1])
    const names = params.map((_, at) => local(at))
    const own = locals.map((type, at) => `${local(params.length + at)} = ${zero(type)}`)
    const slots = Array.from({ length: this.#highest }, (_, at) => slot(at))
    const declared = [...own, ...slots, ...(this.#usesAddress ? ['$a'] : []), '$c']
    const conversions = converts ? params.map((type, at) => `${local(at)} = ${coerced(type, local(at))}`) : []
    return [
      `function ${this.#names.functions[this.#index]!}(${names.join(', ')}) {`,
      ...conversions,
      `let ${declared.join(', ')}`,
      ...this.#lines,
      '}',
    ].join('\n')
  }

  #push(): string {
    const index = this.#reserve()
    this.#free(index)
    this.#highest = Math.max(this.#highest, this.#height)
    return slot(index)
  }

  #reserve(): number {
    this.#pending.delete(this.#height)
    return this.#height++
  }

  /** The text stands in parentheses where another may not stand around it. */
  #pushPending(text: string): void {
    const index = this.#reserve()
    this.#pending.set(index, { text, reads: text.match(/\b[sv]\d+\b/g) ?? [] })
    if (text.length > LONGEST) this.#put(index)
  }

  /** Where the result of an instruction goes: to the local that the next one sets, else on the stack. */
  #result(next: Instruction | undefined): string {
    if (next?.name !== 'local.set' && next?.name !== 'local.tee') return this.#push()
    const name = local(next.localIndex!)
    this.#settle(name)
    this.#isDone = true
    if (next.name === 'local.tee') this.#pushPending(name)
    return name
  }

  #operand(index: number): string {
    return this.#pending.get(index)?.text ?? slot(index)
  }

  #pop(): string {
    return this.#operand(--this.#height)
  }

  #popCondition(): string {
    return conditionOf(this.#pop())
  }

  /** Puts what is pending where it belongs. */
  #put(index: number): void {
    const { text } = this.#pending.get(index)!
    this.#pending.delete(index)
    this.#free(index)
    this.#highest = Math.max(this.#highest, index + 1)
    this.#line(`${slot(index)} = ${text}`)
  }

  /** Whoever reads this place does so now, as it gets another value. */
  #free(index: number): void {
    for (const [at, { reads }] of this.#pending) if (at < index && reads.includes(slot(index))) this.#put(at)
  }

  /** Puts what is pending in its place: all of it where ways part or meet, or what reads this local. */
  #settle(changed?: string): void {
    for (const [index, { reads }] of this.#pending) {
      if (changed !== undefined && !reads.includes(changed)) continue
      // Another may have put it.
      if (index >= this.#height) this.#pending.delete(index)
      else if (this.#pending.has(index)) this.#put(index)
    }
  }

  /** Takes operands; the first in order is the one that was put first. What `write` has twice, is computed once. */
  #take(count: number, write?: (...operands: string[]) => string): string[] {
    const base = this.#height - count
    if (write !== undefined) {
      const marks = Array.from({ length: count }, (_, at) => `\0${at}\0`)
      const text = write(...marks)
      for (const [at, mark] of marks.entries()) {
        const pending = this.#pending.get(base + at)
        if (pending !== undefined && !isSimple(pending.text) && text.split(mark).length > 2)
          this.#put(base + at)
      }
    }
    this.#height = base
    return Array.from({ length: count }, (_, at) => this.#operand(base + at))
  }

  #line(text: string): void {
    this.#lines.push(text)
  }

  #instruction(each: Instruction, next: Instruction | undefined): void {
    if (this.#isDone) {
      this.#isDone = false
      return
    }
    if (this.#skipped > 0 && !this.#skips(each)) return
    if (this.#control(each, next) || this.#variable(each) || this.#numeric(each, next) || this.#table(each))
      return
    const access = accessOf(each.name)
    if (access === undefined)
      throw new Untranslatable(`it has the instruction ${each.name}, at 0x${each.offset.toString(16)}`)
    // What no instruction takes depends on nothing, and orders nothing.
    const isDropped = access.mayDrop === true && next?.name === 'drop'
    const offset = each.memoryAddress?.offset ?? 0
    const operands = this.#take(access.operands, (...given) => access.write('', '$a', offset, given))
    const to = !access.leaves ? '' : isDropped ? this.#push() : this.#result(next)
    this.#usesAddress = true
    this.#line(noted(each))
    this.#line(access.write(isDropped ? '' : to, '$a', offset, operands))
  }

  /** Leaves code out that is never reached: its operands are of any kind. Returns whether the instruction ends it. */
  #skips({ name }: Instruction): boolean {
    if (name === 'block' || name === 'loop' || name === 'if') this.#skipped++
    if (name === 'end') this.#skipped--
    const ends = this.#skipped === 0 || (name === 'else' && this.#skipped === 1)
    if (ends) {
      this.#skipped = 0
      const { base, type } = this.#blocks.at(-1)!
      // As if its results had been put there.
      this.#height = base + type.results.length
    }
    return ends
  }

  #isOver(): void {
    this.#pending.clear()
    this.#skipped = 1
  }

  #control(each: Instruction, next: Instruction | undefined): boolean {
    switch (each.name) {
      case 'nop':
        return true
      case 'unreachable':
        this.#line(`$trap('unreachable')`)
        this.#isOver()
        return true
      case 'block':
      case 'loop':
      case 'if':
        this.#begin(each.name, each.blockType)
        return true
      case 'else': {
        this.#settle()
        const { base, type } = this.#blocks.at(-1)!
        this.#height = base + type.params.length
        this.#line('} else {')
        return true
      }
      case 'end':
        this.#end()
        return true
      case 'br':
        this.#settle()
        this.#line(this.#branch(each.brDepth!))
        this.#isOver()
        return true
      case 'br_if': {
        const condition = this.#popCondition()
        this.#settle()
        this.#line(`if (${condition}) { ${this.#branch(each.brDepth!)} }`)
        return true
      }
      case 'br_table': {
        const which = this.#pop()
        this.#settle()
        const targets = each.brTable!
        const cases = targets.slice(0, -1).map((depth, at) => `case ${at}: ${this.#branch(depth)}`)
        this.#line(`switch (${which}) {`)
        for (const text of cases) this.#line(text)
        this.#line(`default: ${this.#branch(targets.at(-1)!)}`)
        this.#line('}')
        this.#isOver()
        return true
      }
      case 'return':
        this.#line(this.#returned())
        this.#isOver()
        return true
      case 'call':
        this.#line(noted(each))
        this.#call(this.#names.functions[each.funcIndex!]!, this.#module.functions[each.funcIndex!]!, next)
        return true
      case 'call_indirect': {
        const type = this.#module.types[each.typeIndex!]!
        const index = this.#pop()
        this.#line(noted(each))
        this.#line(`$c = $callee($tables[${each.tableIndex ?? 0}], ${index} >>> 0, '${signature(type)}')`)
        this.#call('$c', { type, body: null }, next)
        return true
      }
      default:
        return false
    }
  }

  #begin(kind: 'block' | 'loop' | 'if', type: FunctionType): void {
    const condition = kind === 'if' ? this.#popCondition() : ''
    this.#settle()
    const label = `$${++this.#labels}`
    this.#blocks.push({ kind, label, base: this.#height - type.params.length, type })
    if (kind === 'block') this.#line(`${label}: {`)
    if (kind === 'loop') this.#line(`${label}: while (true) {`)
    if (kind === 'if') this.#line(`${label}: if (${condition}) {`)
  }

  #end(): void {
    const { kind, label } = this.#blocks.pop()!
    if (kind === 'function') return this.#line(this.#returned())
    this.#settle()
    if (kind === 'loop') this.#line(`break ${label}`)
    this.#line('}')
  }

  /** The results of the function, which are on top. */
  #returned(): string {
    const { results } = this.#type
    const values = results.map((_, at) => this.#operand(this.#height - results.length + at))
    return values.length === 0
      ? 'return'
      : `return ${values.length === 1 ? values[0]! : `[${values.join(', ')}]`}`
  }

  /** Goes to a block, with the operands that it takes, which stay where they are for those who do not go. */
  #branch(depth: number): string {
    const { kind, label, base, type } = this.#blocks.at(-1 - depth)!
    if (kind === 'function') return this.#returned()
    const count = (kind === 'loop' ? type.params : type.results).length
    const from = this.#height - count
    const moves =
      from === base ? [] : Array.from({ length: count }, (_, at) => `${slot(base + at)} = ${slot(from + at)}`)
    return [...moves, `${kind === 'loop' ? 'continue' : 'break'} ${label}`].join('; ')
  }

  #call(
    called: string,
    { type: { params, results }, body }: { type: FunctionType; body: unknown },
    next: Instruction | undefined,
  ): void {
    const call = `${called}(${this.#take(params.length).join(', ')})`
    // What a function of JavaScript returns may be anything.
    const given = (at: number, value: string): string =>
      body === null ? coerced(results[at]!, value) : value
    if (results.length === 0) return this.#line(call)
    if (results.length === 1) {
      this.#line(`$c = ${call}`)
      return this.#line(`${this.#result(next)} = ${given(0, '$c')}`)
    }
    this.#line(`$c = [...${call}]`)
    for (const at of results.keys()) this.#line(`${this.#push()} = ${given(at, `$c[${at}]`)}`)
  }

  #variable({ name, localIndex, globalIndex }: Instruction): boolean {
    switch (name) {
      case 'local.get':
        this.#pushPending(local(localIndex!))
        return true
      case 'local.set': {
        const value = this.#pop()
        this.#settle(local(localIndex!))
        this.#line(`${local(localIndex!)} = ${value}`)
        return true
      }
      case 'local.tee': {
        const value = this.#pop()
        this.#settle(local(localIndex!))
        this.#line(`${local(localIndex!)} = ${value}`)
        this.#pushPending(local(localIndex!))
        return true
      }
      case 'global.get':
        this.#line(`${this.#push()} = ${this.#names.globals[globalIndex!]!}`)
        return true
      case 'global.set':
        this.#line(`${this.#names.globals[globalIndex!]!} = ${this.#pop()}`)
        return true
      case 'drop':
        this.#height--
        return true
      case 'select': {
        const [first, second, condition] = this.#take(3) as [string, string, string]
        this.#pushPending(`(${conditionOf(condition)} ? ${first} : ${second})`)
        return true
      }
      default:
        return false
    }
  }

  #numeric(each: Instruction, next: Instruction | undefined): boolean {
    const { name } = each
    if (/^[if](32|64)\.const$/.test(name)) {
      const text = constant(each)
      this.#pushPending(text.startsWith('-') ? `(${text})` : text)
      return true
    }
    const two = binary.get(name)
    const one = unary.get(name)
    if (two === undefined && one === undefined) return name === 'atomic.fence'
    const write = (a: string, b = ''): string => two?.(a, b) ?? one!(a)
    const operands = this.#take(two === undefined ? 1 : 2, write as (...operands: string[]) => string)
    const [a, b] = operands as [string, string?]
    if (mayTrap.test(name)) this.#line(`${this.#result(next)} = ${write(a, b)}`)
    else if (name === 'i32.eqz' && TRUTH.test(a)) this.#pushPending(`(!${conditionOf(a)} ? 1 : 0)`)
    else this.#pushPending(`(${write(a, b)})`)
    return true
  }

  /** Instructions on tables, references and segments, whose operands are not negative. */
  #table(each: Instruction): boolean {
    const { name, tableIndex = 0, destinationIndex = 0, segmentIndex = 0 } = each
    const own = `$tables[${tableIndex}]`
    const statement = (count: number, write: (...operands: string[]) => string): true => {
      const operands = this.#take(count)
      this.#line(noted(each))
      this.#line(write(...operands))
      return true
    }
    const value = (count: number, write: (...operands: string[]) => string): true => {
      const operands = this.#take(count)
      const result = write(...operands)
      this.#line(`${this.#push()} = ${result}`)
      return true
    }
    switch (name) {
      case 'ref.null':
        return value(0, () => 'null')
      case 'ref.func':
        return value(0, () => this.#names.functions[each.funcIndex!]!)
      case 'ref.is_null':
        return value(1, (a) => `${a} === null ? 1 : 0`)
      case 'table.get':
        return value(1, (at) => `$entry(${own}, ${at} >>> 0)`)
      case 'table.set':
        return statement(2, (at, given) => `$setEntry(${own}, ${at} >>> 0, ${given})`)
      case 'table.size':
        return value(0, () => `${own}.elements.length`)
      case 'table.grow':
        return value(2, (given, by) => `$growTable(${own}, ${by} >>> 0, ${given})`)
      case 'table.fill':
        return statement(3, (at, given, n) => `$fillTable(${own}, ${at} >>> 0, ${given}, ${n} >>> 0)`)
      case 'table.copy':
        return statement(3, (to, from, n) => {
          const target = `$tables[${destinationIndex}]`
          return `$copyTable(${target}, ${own}.elements, ${to} >>> 0, ${from} >>> 0, ${n} >>> 0)`
        })
      case 'table.init':
        return statement(3, (to, from, n) => {
          return `$copyTable(${own}, $elements[${segmentIndex}], ${to} >>> 0, ${from} >>> 0, ${n} >>> 0)`
        })
      case 'elem.drop':
        return statement(0, () => `$elements[${segmentIndex}] = []`)
      case 'memory.init':
        return statement(3, (to, from, n) => {
          return `$init($data[${segmentIndex}], ${to} >>> 0, ${from} >>> 0, ${n} >>> 0)`
        })
      case 'data.drop':
        return statement(0, () => `$data[${segmentIndex}] = new Uint8Array()`)
      default:
        return false
    }
  }
}

const mayTrap = /^i(32|64)\.(div|rem|trunc_f)/

/** What holds if the value is not 0. */
function conditionOf(value: string): string {
  return TRUTH.test(value) ? value.slice(1).replace(TRUTH, '') : value
}

function local(index: number): string {
  return `v${index}`
}

/** Where the instruction stands, for those who read the text. */
function noted({ name, offset, memoryAddress }: Instruction): string {
  const at =
    memoryAddress === undefined || memoryAddress.offset === 0 ? '' : ` offset=${memoryAddress.offset}`
  return `// 0x${offset.toString(16)} ${name}${at}`
}

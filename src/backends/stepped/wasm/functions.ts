// A function of WebAssembly, written in JavaScript: each place of its stack of operands is a variable `s0`, `s1`, …,
// and each block a statement with a label. So instructions happen in the order of the module, each on its own line.

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
  /** Constants and locals on the stack that no place of it holds yet, by its places. */
  readonly #pending = new Map<number, string>()
  #highest = 0
  #labels = 0
  #usesAddress = false
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
    this.#pending.delete(this.#height)
    const name = slot(this.#height++)
    this.#highest = Math.max(this.#highest, this.#height)
    return name
  }

  #pushPending(text: string): void {
    this.#push()
    this.#pending.set(this.#height - 1, text)
  }

  #operand(index: number): string {
    return this.#pending.get(index) ?? slot(index)
  }

  #pop(): string {
    return this.#operand(--this.#height)
  }

  /** Puts what is pending in its place: all of it where ways part or meet, or what has this text. */
  #settle(changed?: string): void {
    for (const [index, text] of this.#pending) {
      if (changed !== undefined && text !== changed) continue
      if (index < this.#height) this.#line(`${slot(index)} = ${text}`)
      this.#pending.delete(index)
    }
  }

  /** Takes operands; the first in order is the one that was put first. */
  #take(count: number): string[] {
    this.#height -= count
    return Array.from({ length: count }, (_, at) => this.#operand(this.#height + at))
  }

  #line(text: string): void {
    this.#lines.push(text)
  }

  #instruction(each: Instruction, next: Instruction | undefined): void {
    if (this.#skipped > 0 && !this.#skips(each)) return
    if (this.#control(each) || this.#variable(each) || this.#numeric(each) || this.#table(each)) return
    const access = accessOf(each.name)
    if (access === undefined)
      throw new Untranslatable(`it has the instruction ${each.name}, at 0x${each.offset.toString(16)}`)
    const operands = this.#take(access.operands)
    const to = access.leaves ? this.#push() : ''
    this.#usesAddress = true
    this.#line(noted(each))
    // What no instruction takes depends on nothing, and orders nothing.
    const isDropped = access.mayDrop === true && next?.name === 'drop'
    this.#line(access.write(isDropped ? '' : to, '$a', each.memoryAddress?.offset ?? 0, operands))
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

  #control(each: Instruction): boolean {
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
        const condition = this.#pop()
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
        this.#settle()
        this.#line(this.#returned())
        this.#isOver()
        return true
      case 'call':
        this.#line(noted(each))
        this.#call(this.#names.functions[each.funcIndex!]!, this.#module.functions[each.funcIndex!]!)
        return true
      case 'call_indirect': {
        const type = this.#module.types[each.typeIndex!]!
        const index = this.#pop()
        this.#line(noted(each))
        this.#line(`$c = $callee($tables[${each.tableIndex ?? 0}], ${index} >>> 0, '${signature(type)}')`)
        this.#call('$c', { type, body: null })
        return true
      }
      default:
        return false
    }
  }

  #begin(kind: 'block' | 'loop' | 'if', type: FunctionType): void {
    const condition = kind === 'if' ? this.#pop() : ''
    this.#settle()
    const label = `$${++this.#labels}`
    this.#blocks.push({ kind, label, base: this.#height - type.params.length, type })
    if (kind === 'block') this.#line(`${label}: {`)
    if (kind === 'loop') this.#line(`${label}: while (true) {`)
    if (kind === 'if') this.#line(`${label}: if (${condition}) {`)
  }

  #end(): void {
    const { kind, label } = this.#blocks.pop()!
    this.#settle()
    if (kind === 'function') return this.#line(this.#returned())
    if (kind === 'loop') this.#line(`break ${label}`)
    this.#line('}')
  }

  /** The results of the function, which are on top. */
  #returned(): string {
    const { results } = this.#type
    const values = results.map((_, at) => slot(this.#height - results.length + at))
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

  #call(called: string, { type: { params, results }, body }: { type: FunctionType; body: unknown }): void {
    const call = `${called}(${this.#take(params.length).join(', ')})`
    // What a function of JavaScript returns may be anything.
    const given = (at: number, value: string): string =>
      body === null ? coerced(results[at]!, value) : value
    if (results.length === 0) return this.#line(call)
    if (results.length === 1) {
      this.#line(`$c = ${call}`)
      return this.#line(`${this.#push()} = ${given(0, '$c')}`)
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
        this.#line(`${this.#push()} = ${condition} ? ${first} : ${second}`)
        return true
      }
      default:
        return false
    }
  }

  #numeric(each: Instruction): boolean {
    const { name } = each
    if (/^[if](32|64)\.const$/.test(name)) {
      const text = constant(each)
      this.#pushPending(text.startsWith('-') ? `(${text})` : text)
      return true
    }
    const two = binary.get(name)
    if (two !== undefined) {
      const [a, b] = this.#take(2) as [string, string]
      this.#line(`${this.#push()} = ${two(a, b)}`)
      return true
    }
    const one = unary.get(name)
    if (one === undefined) return name === 'atomic.fence'
    const operand = this.#pop()
    this.#line(`${this.#push()} = ${one(operand)}`)
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

function local(index: number): string {
  return `v${index}`
}

/** Where the instruction stands, for those who read the text. */
function noted({ name, offset, memoryAddress }: Instruction): string {
  const at =
    memoryAddress === undefined || memoryAddress.offset === 0 ? '' : ` offset=${memoryAddress.offset}`
  return `// 0x${offset.toString(16)} ${name}${at}`
}

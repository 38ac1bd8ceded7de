// The declarations that a user's compiler reads: of all that TypeScript emits, the entry points, and of each other
// module what they lead to.
//
// Nothing is renamed or moved. A statement is kept when something kept names what it declares; a name that is written
// in it for another reason, as that of a property, may keep what nobody needs. Protected members, and those that are
// marked @internal, or whose class is, are left out, since no user can make a class of ours into another; of a
// constructor stays that it is protected. A list of exports that is marked @internal is left out, too.

import { posix } from 'node:path'
import { parseSync } from 'rolldown/utils'

/**
 * Their texts by their paths, from the paths of the entry points and what gives the text of a path: paths
 * relative to the folder of all, with slashes.
 */
export function neededDeclarations(entries, read) {
  const modules = new Map()
  const moduleAt = (path) => {
    if (!modules.has(path)) modules.set(path, new Declarations(path, read(path), moduleAt))
    return modules.get(path)
  }
  for (const entry of entries) moduleAt(entry).needAll()
  return new Map(
    [...modules].filter(([, module]) => module.isNeeded).map(([path, module]) => [path, module.text()]),
  )
}

/**
 * The declarations of an entry point for a CommonJS module, which a compiler before TypeScript 5.8, and any with
 * `module` node16, lets require no module as such. They name those of the module, so that both kinds of a program have
 * the same types.
 */
export function commonjsDeclarations(entry, read) {
  const modules = new Map()
  const moduleAt = (path) => {
    if (!modules.has(path)) modules.set(path, new Declarations(path, read(path), moduleAt))
    return modules.get(path)
  }
  const source = `'./${posix.basename(entry).replace(/\.d\.ts$/, '.js')}' with { 'resolution-mode': 'import' }`
  const lines = [`import type * as all from ${source};`]
  const types = []
  for (const [name, kinds] of moduleAt(entry).kinds()) {
    if (kinds.has('value')) lines.push(`export declare const ${name}: typeof all.${name};`)
    if (!kinds.has('value')) types.push(name)
    else if (kinds.has('type')) lines.push(`export type ${name} = all.${name};`)
  }
  if (types.length > 0) lines.push(`export type { ${types.join(', ')} } from ${source};`)
  return `${lines.join('\n')}\n`
}

class Declarations {
  isNeeded = false
  #path
  #source
  #moduleAt
  #statements
  /** By the name inside the module: the statements that declare it. */
  #declared = new Map()
  /** By the name inside the module: from where it is imported, and by which name there; null for all names. */
  #imported = new Map()
  /** By the name outside: the name inside, or from where and which. */
  #exported = new Map()
  /** The modules of which everything is exported. */
  #stars = []
  /** Statements that are needed whole, and the specifiers needed of others. */
  #needed = new Set()
  /** What is left out of the statements that are needed, by where it begins, and what stands there instead. */
  #cuts = new Map()

  constructor(path, source, moduleAt) {
    this.#path = path
    this.#source = source
    this.#moduleAt = moduleAt
    const { program, errors } = parseSync(path, source)
    if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`)
    this.#statements = program.body
    let before = 0
    for (const statement of this.#statements) {
      const isList = statement.type === 'ExportNamedDeclaration' && statement.declaration === null
      // What is exported to a module of ours alone is no user's.
      if (!isList || !this.#isMarked(before, statement)) this.#note(statement)
      before = statement.end
    }
  }

  /** Whether the comment before a node, which follows what ends at `before`, says so. */
  #isMarked(before, { start }) {
    return this.#source.slice(before, start).includes('@internal')
  }

  /** Everything that the module exports. */
  needAll() {
    this.isNeeded = true
    for (const name of this.#exported.keys()) this.need(name)
    for (const { statement, from } of this.#stars) {
      this.#needed.add(statement)
      this.#moduleAt(from).needAll()
    }
  }

  exports(name) {
    return this.#exported.has(name) || this.#stars.some(({ from }) => this.#moduleAt(from).exports(name))
  }

  /** What the module exports by that name. */
  need(name) {
    this.isNeeded = true
    const found = this.#exported.get(name)
    if (found === undefined) {
      const star = this.#stars.find(({ from }) => this.#moduleAt(from).exports(name))
      if (star === undefined) throw new Error(`${this.#path} exports no ${name}`)
      this.#needed.add(star.statement)
      this.#moduleAt(star.from).need(name)
      return
    }
    const { specifier, from, local } = found
    if (specifier !== undefined) this.#needed.add(specifier)
    if (from === undefined) this.#needLocal(local)
    else this.#moduleAt(from).need(local)
  }

  /** What each name is that the module exports: a set of 'value' and 'type'. */
  kinds() {
    const kinds = new Map([...this.#exported.keys()].map((name) => [name, this.#kindsOf(name)]))
    for (const { from } of this.#stars)
      for (const [name, found] of this.#moduleAt(from).kinds()) kinds.set(name, found)
    return kinds
  }

  #kindsOf(name) {
    const star = this.#stars.find(({ from }) => this.#moduleAt(from).exports(name))
    if (!this.#exported.has(name)) return this.#moduleAt(star.from).#kindsOf(name)
    const { isType, from, local } = this.#exported.get(name)
    const imported = this.#imported.get(local)
    const found = isType
      ? ['type']
      : from !== undefined
        ? this.#moduleAt(from).#kindsOf(local)
        : imported?.from !== undefined
          ? this.#moduleAt(imported.from).#kindsOf(imported.name)
          : this.#declared.get(local).flatMap(kindsOfDeclaration)
    return new Set(found)
  }

  /** The module without what is not needed. */
  text() {
    const kept = [this.#source.match(/^(?:\/\/\/.*\n)*/)[0]]
    let end = kept[0].length
    for (const statement of this.#statements) {
      const before = this.#source.slice(end, statement.start)
      end = statement.end
      const text = this.#textOf(statement)
      if (text !== null) kept.push(before.trimStart(), text, '\n')
    }
    // Otherwise a compiler would take it for a script, and what it declares for global.
    if (!this.#statements.some((statement) => isBorder(statement) && this.#textOf(statement) !== null))
      kept.push('export {};\n')
    return kept.join('')
  }

  #note(statement) {
    const { type, source, declaration } = statement
    const from = source == null ? undefined : this.#resolve(source.value)
    if (type === 'ImportDeclaration') {
      for (const specifier of statement.specifiers) {
        const name = { ImportSpecifier: specifier.imported?.name, ImportDefaultSpecifier: 'default' }[
          specifier.type
        ]
        this.#imported.set(specifier.local.name, { specifier, from, name: name ?? null })
      }
    } else if (type === 'ExportAllDeclaration') {
      if (statement.exported !== null || from === undefined) throw new Error(`${this.#path}: not expected`)
      this.#stars.push({ statement, from })
    } else if (type === 'ExportNamedDeclaration' && declaration === null) {
      for (const specifier of statement.specifiers) {
        // A type that is exported by an import of its own is a module of Node, or of a package.
        if (source !== null && from === undefined) throw new Error(`${this.#path}: not expected`)
        const isType = statement.exportKind === 'type' || specifier.exportKind === 'type'
        this.#exported.set(specifier.exported.name, { specifier, from, local: specifier.local.name, isType })
      }
    } else {
      const isExported = type === 'ExportNamedDeclaration'
      for (const name of namesOf(isExported ? declaration : statement)) {
        this.#declared.set(name, [...(this.#declared.get(name) ?? []), statement])
        if (isExported) this.#exported.set(name, { local: name })
      }
    }
    // What adds to the types of another module is needed wherever this one is.
    if (type === 'TSModuleDeclaration' && statement.id.type === 'Literal') this.#needed.add(statement)
  }

  #needLocal(name) {
    for (const statement of this.#declared.get(name) ?? []) {
      if (this.#needed.has(statement)) continue
      this.#needed.add(statement)
      this.#needNamesIn(statement)
      this.#needAdditions()
    }
    const imported = this.#imported.get(name)
    if (imported === undefined || this.#needed.has(imported.specifier)) return
    this.#needed.add(imported.specifier)
    this.#needOf(imported.from, imported.name)
  }

  /** Of modules that are not ours, nothing is to be done. */
  #needOf(from, name) {
    if (from === undefined) return
    if (name === null) this.#moduleAt(from).needAll()
    else this.#moduleAt(from).need(name)
  }

  #needAdditions() {
    for (const statement of this.#statements) {
      if (statement.type === 'TSModuleDeclaration' && statement.id.type === 'Literal')
        this.#needNamesIn(statement)
    }
  }

  #needNamesIn(node) {
    if (node.type === 'TSImportType')
      this.#needOf(
        this.#resolve(node.source.value),
        node.qualifier === null ? null : firstName(node.qualifier),
      )
    if (node.type === 'Identifier') this.#needLocal(node.name)
    if (node.type === 'ClassBody' || node.type === 'TSInterfaceBody') {
      this.#needNamesInMembers(node)
      return
    }
    for (const child of Object.values(node)) {
      for (const each of Array.isArray(child) ? child : [child])
        if (typeof each?.type === 'string') this.#needNamesIn(each)
    }
  }

  #needNamesInMembers({ start, body }) {
    const statement = this.#statements.findLastIndex((one) => one.start < start)
    const isOfMarked = this.#isMarked(this.#statements[statement - 1]?.end ?? 0, this.#statements[statement])
    let before = start + 1
    for (const member of body) {
      if (isOfMarked || this.#isMarked(before, member) || member.accessibility === 'protected') {
        const instead = member.kind === 'constructor' ? '\n    protected constructor();' : ''
        this.#cuts.set(before, { end: member.end, instead })
      } else this.#needNamesIn(member)
      before = member.end
    }
  }

  /** Where a module is, or undefined for one that is not ours. */
  #resolve(source) {
    if (!source.startsWith('.')) return undefined
    return posix.join(posix.dirname(this.#path), source.replace(/\.[jt]s$/, '.d.ts'))
  }

  /** What stays of a statement, or null. */
  #textOf(statement) {
    if (this.#needed.has(statement)) return this.#withoutCuts(statement)
    const { specifiers } = statement
    if (specifiers === undefined || specifiers.length === 0) return null
    const kept = specifiers.filter((specifier) => this.#needed.has(specifier))
    if (kept.length === 0) return null
    const [first, last] = [specifiers[0], specifiers.at(-1)]
    const list = kept.map(({ start, end }) => this.#source.slice(start, end)).join(', ')
    return (
      this.#source.slice(statement.start, first.start) + list + this.#source.slice(last.end, statement.end)
    )
  }

  #withoutCuts({ start, end }) {
    let text = ''
    let at = start
    const cuts = [...this.#cuts].filter(([first]) => first >= start && first < end).sort(([a], [b]) => a - b)
    for (const [first, { end: last, instead }] of cuts) {
      text += this.#source.slice(at, first) + instead
      at = last
    }
    return text + this.#source.slice(at, end)
  }
}

function isBorder({ type }) {
  return type === 'ImportDeclaration' || type.startsWith('Export')
}

/** What a declaration declares. */
function namesOf(declaration) {
  if (declaration.type === 'VariableDeclaration') return declaration.declarations.map(({ id }) => id.name)
  return declaration.id?.type === 'Identifier' ? [declaration.id.name] : []
}

function firstName(qualifier) {
  return qualifier.type === 'Identifier' ? qualifier.name : firstName(qualifier.left)
}

/** What a statement declares its names to be. */
function kindsOfDeclaration(statement) {
  const { type, typeParameters } = statement.declaration ?? statement
  if (type === 'TSInterfaceDeclaration' || type === 'TSTypeAliasDeclaration') return ['type']
  if (type === 'VariableDeclaration' || type === 'TSDeclareFunction' || type === 'FunctionDeclaration')
    return ['value']
  // One with parameters would need them in its alias.
  if (type === 'ClassDeclaration' && typeParameters == null) return ['value', 'type']
  throw new Error(`${type}: not expected`)
}

// What a module has to import for the code that patches bring into it.

import { posix } from 'node:path'
import { type Program, type ProgramModule, SteppingRefused } from '../../backends/stepped/index.ts'
import type { ParsedModule } from '../../backends/stepped/program.ts'
import { type Node, childrenOf } from '../../backends/stepped/syntax.ts'
import type { SourcePatch } from './patch.ts'

/**
 * Imports of the names that `form`, the new one of `module`, uses because of the patches and does not declare. They may
 * stand at its end, where no line moves. Throws SteppingRefused where no module exports such a name, or several do.
 */
export function importLines(
  program: Program,
  module: ProgramModule,
  form: ParsedModule,
  patches: readonly SourcePatch[],
): string {
  const names = [...freeNames(form)].filter((name) =>
    patches.some(({ operator, by }) => operator !== 'swap' && wordsOf(by).has(name)),
  )
  return names.map((name) => importLine(program, module, name)).join('\n')
}

function importLine(program: Program, module: ProgramModule, name: string): string {
  const found = [...program.modules.values()].filter(({ exports }) => exports.get(name)?.kind === 'local')
  if (found.length !== 1) {
    const problem = `a patch uses ${name}, which ${found.length} modules export`
    throw new SteppingRefused(module.file, 1, problem, 'make the patch fit the source')
  }
  const from = posix.dirname(new URL(module.url).pathname)
  const path = posix.relative(from, new URL(found[0]!.url).pathname)
  return `import { ${name} } from ${JSON.stringify(path.startsWith('.') ? path : `./${path}`)}`
}

function wordsOf(code: string): Set<string> {
  return new Set(code.match(/[\w$]+/g))
}

/** Names that nothing declares, neither the code nor the engine. */
function freeNames({ program, scopes: { bindings } }: ParsedModule): Set<string> {
  const free = new Set<string>()
  const visit = (node: Node, parent: Node | null): void => {
    if (
      node.type === 'Identifier' &&
      !bindings.has(node) &&
      isUse(node, parent) &&
      !(node.name in globalThis)
    )
      free.add(node.name)
    for (const child of childrenOf(node)) visit(child, node)
  }
  visit(program, null)
  return free
}

/** It is no name of a property, a declaration, a label or an import. */
function isUse(node: Node, parent: Node | null): boolean {
  switch (parent?.type) {
    case 'MemberExpression':
      return parent.object === node || parent.computed
    case 'Property':
      return parent.value === node || parent.computed
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return parent.key !== node || parent.computed
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return parent.id !== node
    case 'ImportSpecifier':
    case 'ExportSpecifier':
    case 'LabeledStatement':
    case 'BreakStatement':
    case 'ContinueStatement':
    case 'MetaProperty':
      return false
    default:
      return true
  }
}

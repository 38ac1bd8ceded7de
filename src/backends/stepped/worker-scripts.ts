// Which scripts a module names where it makes a Worker of them, or where they are threads of a scenario: they are read
// with it, so that what they hold that cannot be stepped is refused before anything runs. Others are read when a thread
// comes to them.

import { isOfRuntime } from './loop-imports.ts'
import { type Node, type SourceModule, childrenOf } from './syntax.ts'

/** The addresses of the scripts, for the module at `url`. */
export function scriptsOf({ program, text }: SourceModule, url: string): string[] {
  if (isOfRuntime(url) || !/\b(Worker|threads)\b/.test(text)) return []
  const found = new Set<string>()
  const note = (script: Node): void => {
    const path = pathOf(script)
    if (path !== null) found.add(new URL(path, url).href)
  }
  const visit = (node: Node): void => {
    if (node.type === 'NewExpression' && calledName(node.callee as Node).endsWith('Worker'))
      node.arguments.slice(0, 1).forEach((each) => note(each as Node))
    if (
      node.type === 'Property' &&
      calledName(node.key as Node) === 'threads' &&
      node.value.type === 'ArrayExpression'
    )
      node.value.elements.forEach((each) => each && note(each as Node))
    for (const child of childrenOf(node)) visit(child)
  }
  visit(program)
  return [...found]
}

/** Relative to the module; null where it is not to be seen. */
function pathOf(node: Node): string | null {
  if (node.type === 'NewExpression' && calledName(node.callee as Node) === 'URL') {
    const [path, base] = node.arguments as Node[]
    return path?.type === 'Literal' && base !== undefined && isOwnUrl(base) ? String(path.value) : null
  }
  if (node.type !== 'CallExpression' || !/^(join|resolve)$/.test(calledName(node.callee as Node))) return null
  const [folder, ...parts] = node.arguments as Node[]
  if (folder?.type !== 'Identifier' || folder.name !== '__dirname') return null
  const names = parts.map((each) => (each.type === 'Literal' ? String(each.value) : null))
  return names.includes(null) ? null : `./${names.join('/')}`
}

function isOwnUrl(node: Node): boolean {
  if (node.type !== 'MemberExpression' || calledName(node) !== 'url') return false
  // In an instance, `import.meta` is what it is given.
  return node.object.type === 'MetaProperty' || calledName(node.object as Node) === 'meta'
}

function calledName(node: Node): string {
  if (node.type === 'Identifier') return node.name
  if (node.type === 'SequenceExpression') return calledName(node.expressions.at(-1)!)
  if (node.type !== 'MemberExpression' || node.property.type !== 'Identifier') return ''
  return node.property.name
}

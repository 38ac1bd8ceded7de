// What is published has its comments in the declarations, where editors show them. In the modules and in the kernel's
// source they would be a fifth of the package.

import { parse } from 'acorn'
import { parseSync } from 'rolldown/utils'

/** Comments that bundlers or engines read. */
const meant = /[@#]__|sourceMappingURL|webpack|@vite|^!/

/** The text of a module without its comments, and without the lines that held nothing else. */
export function withoutComments(text: string): string {
  let result = ''
  let at = 0
  const leaveOut = (start: number, end: number): void => {
    result += text.slice(at, start)
    at = end
  }
  const onComment = (_: boolean, comment: string, start: number, end: number): void => {
    // The parser takes the first line of a command for one.
    if (meant.test(comment) || text.startsWith('#!', start)) return
    const lineStart = text.lastIndexOf('\n', start - 1) + 1
    const lineEnd = text.indexOf('\n', end)
    const isAlone = lineEnd >= 0 && /^\s*$/.test(text.slice(lineStart, start) + text.slice(end, lineEnd))
    if (isAlone) leaveOut(Math.max(at, lineStart), lineEnd + 1)
    else {
      leaveOut(start, end)
      // A comment over two lines may end a statement as a line does.
      if (comment.includes('\n')) result += '\n'
    }
  }
  parse(text, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true, onComment })
  return result + text.slice(at)
}

/** The text of a TypeScript module, `path`, with its comments blank: each token keeps its line and its column. */
export function withBlankComments(path: string, text: string): string {
  const { comments, errors } = parseSync(path, text)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`)
  let result = ''
  let at = 0
  for (const { value, start, end } of comments) {
    if (meant.test(value)) continue
    result += text.slice(at, start)
    at = end
    const isLast = /^[ \t]*(?:\n|$)/.test(text.slice(end))
    const lines = text.slice(start, end).split('\n')
    // No blanks at the end of a line.
    if (isLast || lines.length > 1) result = result.replace(/[ \t]+$/, '')
    result += '\n'.repeat(lines.length - 1)
    if (!isLast) result += ' '.repeat(lines.at(-1)!.length)
  }
  return result + text.slice(at)
}

// What is published has its comments in the declarations, where editors show them, and in the kernel's source; in the
// rest they would be a fifth of the package.

import { parse } from 'acorn'

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

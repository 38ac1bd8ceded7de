// Patches: changes of one function of the source, as operators on its syntax tree. Plain data, as workers get them too.
//
// A patch names the file, the function and a piece of its code, which is compared as a tree: blanks, line breaks and
// comments make no difference, and a source that is formatted anew keeps its mutants. The piece must occur exactly
// once in the function. It is an expression, a statement, or several statements that follow each other; in it, `$`
// stands for any one expression or statement, and `...$` for whatever arguments are left. Names that new code uses and
// the module lacks are imported from the module that exports them. Statements are separated by semicolons.

export interface SourcePatch {
  readonly operator: 'drop' | 'replace' | 'before' | 'after' | 'swap' | 'remove'
  /** The end of the file's path, such as 'tables/zap.ts'. */
  readonly file: string
  /** Name of a function or method, such as 'zapPteRange'; '' for all of the module. */
  readonly within: string
  readonly piece: string
  /** What comes into its place or beside it; of 'swap', the other piece. */
  readonly by: string
}

/** The changes that can be made in one function. */
export interface Operators {
  /**
   * A statement is not executed. Of an expression that is an operand of `&&` or `||`, the other operand decides alone.
   */
  readonly drop: (piece: string) => SourcePatch
  /** A condition has a value whatever holds. */
  readonly force: (piece: string, value: boolean) => SourcePatch
  /** Other code stands in the place of the piece. */
  readonly replace: (piece: string, by: string) => SourcePatch
  /** Statements stand before the piece, or before the statement that it is part of. */
  readonly before: (piece: string, by: string) => SourcePatch
  /** Statements stand behind the piece, or behind the statement that it is part of. */
  readonly after: (piece: string, by: string) => SourcePatch
  /** Two pieces change places. */
  readonly swap: (piece: string, by: string) => SourcePatch
  /** The method is not there, so that what it overrides holds. */
  readonly remove: () => SourcePatch
}

/** In a function of a file; '' for all of the module. */
export function at(file: string, within: string): Operators {
  const patch = (operator: SourcePatch['operator'], piece: string, by: string): SourcePatch => ({
    operator,
    file,
    within,
    piece: inOneLine(piece),
    by: inOneLine(by),
  })
  return {
    drop: (piece) => patch('drop', piece, ''),
    force: (piece, value) => patch('replace', piece, String(value)),
    replace: (piece, by) => patch('replace', piece, by),
    before: (piece, by) => patch('before', piece, by),
    after: (piece, by) => patch('after', piece, by),
    swap: (piece, by) => patch('swap', piece, by),
    remove: () => patch('remove', '', ''),
  }
}

/** So no line of the source moves. */
function inOneLine(code: string): string {
  return code.trim().replaceAll(/\s*\n\s*/g, ' ')
}

// Files that a command writes beside what it prints: whole, or not at all.
import { existsSync, lstatSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { UsageError } from './failure.ts'

/**
 * The path to write to, behind a link.
 * @throws UsageError for what is no plain file, which the rename would replace, or where there is no folder
 */
export function usableOutput(given: string, option: string): string {
  if (given === '-' || given === '') throw new UsageError(`${option} ${given} is not usable`, 'name a file')
  const resolved = path.resolve(given)
  if (lstatSync(resolved, { throwIfNoEntry: false }) === undefined) {
    if (!existsSync(path.dirname(resolved)))
      throw new UsageError(`${option} ${given}: there is no folder ${path.dirname(given)}`, 'make it first')
    return resolved
  }
  const real = realpathSync(resolved)
  if (!lstatSync(real).isFile())
    throw new UsageError(`${option} ${given} is no plain file`, 'name another file')
  return real
}

/** The path of a page. Its name says that it is one, or else a browser shows it as text. @throws UsageError */
export function usablePage(given: string): string {
  const file = usableOutput(given, '--output')
  if (!/\.html?$/i.test(given))
    throw new UsageError(`--output ${given} is not usable`, 'end its name in .html')
  return file
}

/**
 * Writes beside the place and renames into it, so that a reader sees the old file or the new one.
 * @param write makes the file that it is given the path of
 */
export async function writeWhole<Result>(
  file: string,
  write: (temporary: string) => Promise<Result>,
): Promise<Result> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`)
  const remove = (): void => rmSync(temporary, { force: true })
  process.once('exit', remove)
  try {
    const result = await write(temporary)
    renameSync(temporary, file)
    return result
  } finally {
    remove()
    process.off('exit', remove)
  }
}

export function writeText(file: string, text: string): Promise<void> {
  return writeWhole(file, (temporary) => writeFile(temporary, text, { flag: 'wx' }))
}

/** The last line of a command that has written a page, or a table of numbers. */
export function pageLine(file: string): string {
  return file.endsWith('.csv') ? `\nWritten: ${file}\n` : `\nOpen in a browser: ${file}\n`
}

// `faultline check --output`: what a check found as a page for a browser.

import type { CheckResult, Mutant } from '../check/index.ts'
import { type CheckPageContent, checkPage } from '../report/html/check.ts'
import { sourceOf } from '../report/source-of.ts'
import { writeText } from './output-file.ts'

/**
 * Writes the page, whatever was found: a page of an earlier check would be taken for this one.
 * @param target what was checked, as on the command line
 * @param lines the name of each result, and what is said of it in a line
 */
export async function writeCheckPage(
  file: string,
  target: string,
  results: readonly CheckResult[],
  lines: readonly Pick<CheckPageContent['checks'][number], 'name' | 'line'>[],
  mutant: Mutant | undefined,
): Promise<void> {
  const checks = results.map((result, at) => ({ ...lines[at]!, result }))
  const change = mutant === undefined ? '' : changeText(mutant)
  await writeText(file, checkPage({ target, checks, change, sourceOf }))
}

function changeText({ name, guard, patches }: Mutant): string {
  const changes = patches.map(({ operator, file, within, piece, by }) => {
    const code = [piece, by].filter((part) => part !== '').join(' → ')
    return `${operator} in ${within === '' ? file : `${within} of ${file}`}${code === '' ? '' : `: ${code}`}`
  })
  return `The kernel is the mutant ${name} (${guard}). The source below does not have its change: ${changes.join('; ')}.`
}

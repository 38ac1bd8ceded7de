// `faultline check --conflicts`: which cache lines two operations share, observed and not modelled.
import { type PairConflicts, findConflicts } from '../check/index.ts'
import { conflictsText } from '../report/conflicts-text.ts'
import type { RssMode } from '../memory.ts'
import type { RwsemName } from './options.ts'
import { print, textOptions } from './output.ts'
import { showProgress } from './progress.ts'

/** Prints the conflict matrix of the designs, under each form of the mmap lock. */
export async function printConflicts(
  designs: readonly string[],
  rwsems: readonly RwsemName[],
  rss: RssMode,
  json: boolean,
): Promise<void> {
  const found: PairConflicts[] = []
  for (const rwsem of rwsems) {
    for (const design of designs) {
      showProgress(`check --conflicts: ${design}/${rwsem}`)
      found.push(...(await findConflicts({ design, rwsem, rss })))
    }
  }
  await print(
    json ? found.map((pair) => `${JSON.stringify(pair)}\n`).join('') : conflictsText(found, textOptions()),
  )
}

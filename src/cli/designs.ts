// `faultline designs`: what there is, and where it comes from.
import { Command } from 'commander'
import { designs } from '../index.ts'
import { designsText } from '../report/index.ts'
import { print, textOptions, toJson } from './output.ts'

export function designsCommand(): Command {
  return new Command('designs')
    .description('list the designs of the page-fault path, and where they come from')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      await print(options.json ? toJson({ designs }) : designsText(designs, textOptions()))
    })
}

// `faultline designs`: the designs, their sources, and how each handles a fault.
import { Command } from 'commander'
import { designs } from '../memory.ts'
import { designsText } from '../report/index.ts'
import { print, textOptions, toJson } from './output.ts'

export function designsCommand(): Command {
  return new Command('designs')
    .description('list the designs: their sources, and how each handles a fault')
    .option('--json', 'print JSON, an array')
    .addHelpText(
      'after',
      [
        '',
        'writes: what a fault writes to shared memory besides its page, its entry and the lock of the entry;',
        '`faultline check --conflicts` shows how two operations conflict.',
        '',
        'Examples:',
        '  faultline designs',
        "  faultline designs --json | jq -r '.[] | select(.sharedWrites == []) | .design'",
      ].join('\n'),
    )
    .action(async (options: { json?: boolean }) => {
      await print(options.json ? toJson(designs.map(designJson)) : designsText(designs, textOptions()))
    })
}

function designJson({ name, ...rest }: (typeof designs)[number]): object {
  return { design: name, ...rest }
}

// The commands for a recording by hand, pasted into bash or dash, are those that the errors tell; what a page shows of
// the bundled recording is what is printed of it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { recordCommand, scriptCommand } from '../../src/trace/index.ts'
import { faultline } from '../cli/command.ts'

const page = readFileSync(new URL('../../docs/trace.md', import.meta.url), 'utf8')
const recipe = /\nBy hand:\n\n```sh\n([^`]*)```/.exec(page)![1]!

/** Every word that the commands get, one a line, as `shell` splits them. */
function wordsIn(shell: string): string[] | null {
  const told = `sudo() { printf '%s\\n' "$@"; }\n`
  const script = told + recipe.replaceAll(/> *\S+\.txt/g, '')
  const run = spawnSync(shell, ['-c', script], { encoding: 'utf8' })
  if (run.error !== undefined) return null
  assert.deepEqual([run.stderr, run.status], ['', 0])
  return run.stdout.trim().split('\n')
}

/** The words of a command as an error tells it. */
function wordsOf(command: string): string[] {
  return command.replaceAll("'", '').split(' ')
}

for (const shell of ['bash', 'dash']) {
  test(`the recipe in ${shell}`, (t) => {
    const words = wordsIn(shell)
    if (words === null) {
      t.skip(`there is no ${shell} on this host`)
      return
    }
    const script = words.indexOf('perf', 1)
    const without = (list: readonly string[], flag: string): string[] => {
      const at = list.indexOf(flag)
      return at < 0 ? [...list] : [...list.slice(0, at), ...list.slice(at + 2)]
    }
    assert.deepEqual(without(words.slice(0, script), '-o').slice(0, -1), wordsOf(recordCommand).slice(0, -1))
    assert.deepEqual(without(words.slice(script), '-i'), wordsOf(scriptCommand))
  })
}

/** What a block of a page shows of the recording itself, in pieces, without line breaks: a replay is measured. */
function shownOf(file: string): string[] {
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```\n([^`]*)^```/gm)].map(([, block]) => block!)
  const block = blocks.find((each) => each.includes('WHAT WOULD HELP'))!
  const sections = block
    .split(/\n\n/)
    .filter((section) => /^(?:RECORDED|VERDICT|WHAT WOULD HELP)/.test(section))
  return sections.flatMap((section) => unbroken(section.replace(/In the replay,[^]*/, '')).split(' […]'))
}

function unbroken(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim()
}

test('what the pages show of the bundled recording', async () => {
  const { stdout } = await faultline(['report', 'test/fixtures/traces/node-workers.perf.txt.gz'])
  const printed = unbroken(stdout)
  for (const [file, pieces] of [
    ['README.md', 2],
    ['docs/trace.md', 3],
  ] as const) {
    const shown = shownOf(file)
    assert.ok(shown.length >= pieces, file)
    for (const piece of shown) assert.ok(printed.includes(piece), `${file}: ${piece}\nis not in\n${printed}`)
  }
})

// Races as they are written down: Markdown for people, with the commands that show them in front.
//
//     ---
//     exhibit: fault-reap --design lespinasse-2021 --mutant reaper-noticed-too-early
//     had: nobody as published; here Lespinasse 2021, which asks before it locks the page table
//     fails: error: no sequential order
//     shows: ^(pte\[0x1000\]|frame )
//     holds: fault-reap --design dufour-2019
//     explored: completely
//     ---
//
//     # R35 · Zeros where the OOM reaper was
//
//     What happens, who had it and who found it.
//
//     **Fixed:** how it was fixed.
//
//     **Verdict:** what was found out, if the sources only suspected it.
//
// What stands below an exhibit, or what holds, belongs to it. `patches` names some of patches.ts. A line that begins
// with a blank continues the one above.

import type { FailureKind } from '../run-once.ts'
import type { SourcePatch } from '../mutants/patch.ts'
import { racePatches } from './patches.ts'
import type { AbsentRace, Exhibit, Holds, Race } from './race.ts'

/** A check of a scenario, and what is said of it. */
type Told = ReadonlyMap<string, string>

/** Throws SyntaxError, with the name of the file, for what is not of this form. */
export function readRace(file: string, markdown: string): Race {
  const match = /^---\n(.*?)\n---\n\n# (R\d+) · ([^\n]+)\n\n(.*?)\n\n\*\*Fixed:\*\* (.*)$/s.exec(markdown)
  if (match === null) throw new SyntaxError(`${file}: no commands, no heading or no text "Fixed"`)
  const [, front, number, title, story, rest] = match as unknown as string[]
  const [fix, verdict] = rest!.split(/\n\n\*\*Verdict:\*\* /)
  const told = checksOf(file, front!)
  return {
    number: number!,
    title: title!,
    story: joined(story!),
    fix: joined(fix!),
    ...(verdict !== undefined && { verdict: joined(verdict) }),
    exhibits: told.filter((each) => each.has('exhibit')).map((each) => exhibitOf(file, each)),
    holds: told.filter((each) => each.has('holds')).map((each) => holdsOf(file, each)),
  }
}

/** The rows of a table of races that are not shown. */
export function readAbsentRaces(markdown: string): AbsentRace[] {
  const rows = markdown.matchAll(/^\| (R\d+) \| (.*) \| (.*) \|$/gm)
  return [...rows].map(([, number, title, reason]) => ({ number: number!, title: title!, reason: reason! }))
}

function joined(paragraph: string): string {
  return paragraph.trim().replaceAll('\n', ' ')
}

function checksOf(file: string, front: string): Told[] {
  const checks: Map<string, string>[] = []
  for (const line of front.replaceAll(/\n +/g, ' ').split('\n')) {
    const [, key, value] = /^(\w+): (.*)$/.exec(line) ?? []
    if (key === undefined || value === undefined) throw new SyntaxError(`${file}: ${line}`)
    if (key === 'exhibit' || key === 'holds') checks.push(new Map())
    const check = checks.at(-1)
    if (check === undefined || check.has(key)) throw new SyntaxError(`${file}: ${line}`)
    check.set(key, value)
  }
  return checks
}

function exhibitOf(file: string, told: Told): Exhibit {
  const { mutant, ...machine } = commandOf(file, told, 'exhibit', ['had', 'restored', 'fails', 'shows'])
  const [, fails, message] = /^(\w+): (.*)$/.exec(told.get('fails') ?? '') ?? []
  const [had, shows, restored] = ['had', 'shows', 'restored'].map((key) => told.get(key))
  if (fails === undefined || had === undefined || shows === undefined)
    throw new SyntaxError(`${file}: an exhibit says who had it, how it fails and what it shows`)
  return {
    had,
    ...machine,
    ...(mutant !== undefined && { mutant }),
    ...(restored !== undefined && { restored }),
    fails: fails as FailureKind,
    message: new RegExp(message!),
    shows: new RegExp(shows),
  }
}

function holdsOf(file: string, told: Told): Holds {
  const because = told.get('because')
  const machine = commandOf(file, told, 'holds', ['because', 'explored'])
  if (machine.mutant !== undefined) throw new SyntaxError(`${file}: a mutant does not hold`)
  const complete = told.get('explored') === 'completely'
  return { ...machine, complete, ...(because !== undefined && { because }) }
}

interface Command {
  readonly scenario: string
  readonly design: string
  readonly published?: boolean
  readonly mutant?: string
  readonly patches?: readonly SourcePatch[]
}

function commandOf(file: string, told: Told, kind: string, others: readonly string[]): Command {
  const strange = [...told.keys()].find((key) => ![kind, 'patches', ...others].includes(key))
  const match = /^([\w-]+) --design ([\w-]+)( --published)?(?: --mutant ([\w-]+))?$/.exec(told.get(kind)!)
  if (strange !== undefined || match === null) throw new SyntaxError(`${file}: ${strange ?? told.get(kind)}`)
  const [, scenario, design, published, mutant] = match
  const names = told.get('patches')?.split(' ')
  const missing = names?.find((name) => !(name in racePatches))
  if (missing !== undefined) throw new SyntaxError(`${file}: there are no patches ${missing}`)
  return {
    scenario: scenario!,
    design: design!,
    ...(published !== undefined && { published: true }),
    ...(mutant !== undefined && { mutant }),
    ...(names && { patches: names.flatMap((name) => racePatches[name]!) }),
  }
}

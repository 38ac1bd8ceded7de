// The races of the literature on speculative page faults, R1 to R40: those that are shown, and those that are not.

import { readFileSync, readdirSync } from 'node:fs'
import type { AbsentRace, Race } from './race.ts'
import { readAbsentRaces, readRace } from './read.ts'

export type { AbsentRace, Exhibit, Holds, Race } from './race.ts'

const folder = new URL('.', import.meta.url)

function read(file: string): string {
  return readFileSync(new URL(file, folder), 'utf8')
}

export const races: readonly Race[] = readdirSync(folder)
  .filter((file) => /^r\d+-.*\.md$/.test(file))
  .toSorted()
  .map((file) => readRace(file, read(file)))
export const absentRaces: readonly AbsentRace[] = readAbsentRaces(read('absent.md'))

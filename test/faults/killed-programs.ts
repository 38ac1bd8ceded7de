// Programs that keep data on disk, killed at random moments: what they had said to be safe is there, and nothing is
// torn.

import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../../src/check/random.ts'
import type { FaultCase } from './fault-case.ts'
import { ACCOUNTS, BALANCE, keyOf, recordsIn, tableIn } from './program-data.ts'
import { runChild } from './run-child.ts'

/** A program is killed at most so long after it has begun to say what is safe, in milliseconds. */
const LIFE_MS = 150

/** What is wrong with what a program has left at `path`, of which it had said so much; null if nothing is. */
type Look = (path: string, acknowledged: number) => string | null

function lookAtLog(path: string, acknowledged: number): string | null {
  const count = recordsIn(readFileSync(path))
  return count >= acknowledged ? null : `${count} records of ${acknowledged}`
}

function lookAtTable(path: string, acknowledged: number): string | null {
  const table = tableIn(readFileSync(path))
  for (let round = acknowledged; round > Math.max(0, acknowledged - 5000); round--) {
    const value = table.get(keyOf(round)) ?? 0
    if (value < round) return `the value of round ${round} is ${value}, of ${acknowledged}`
  }
  return null
}

function lookAtSnapshot(path: string, acknowledged: number): string | null {
  const { size } = statSync(path)
  if (size !== ACCOUNTS * 4 + 4096) return `${size} bytes`
  const bytes = readFileSync(path)
  const save = bytes.readUint32LE(ACCOUNTS * 4)
  if (save < acknowledged) return `save ${save} of ${acknowledged}`
  let sum = 0
  for (let account = 0; account < ACCOUNTS; account++) sum += bytes.readInt32LE(4 * account)
  return sum === ACCOUNTS * BALANCE ? null : `the sum is ${sum}`
}

const programs: Readonly<Record<string, Look>> = {
  log: lookAtLog,
  table: lookAtTable,
  snapshots: lookAtSnapshot,
}

async function killOnce(folder: string, program: string, delayMs: number, name: string): Promise<number> {
  const path = join(folder, name)
  const { signal, output, errors } = await runChild('./program-child.ts', [program, path], 1, delayMs)
  if (signal !== 'SIGKILL') throw new Error(`it ended by itself: ${errors}`)
  // The last line may be half there.
  const acknowledged = Number(output.split('\n').at(-2))
  const wrong = programs[program]!(path, acknowledged)
  if (wrong !== null) throw new Error(`killed after ${delayMs} ms: ${wrong}`)
  return acknowledged
}

/** @param kills of each program */
export function killedPrograms(kills: number): readonly FaultCase[] {
  return Object.keys(programs).map((program, index) => ({
    injected: `SIGKILL at ${kills} random moments of a program: ${program}`,
    expected: 'all acknowledged on disk, nothing torn',
    async run(folder) {
      const random = new Random(7, index)
      let most = 0
      for (let kill = 0; kill < kills; kill++) {
        // oxlint-disable-next-line no-await-in-loop -- the moments are to be those of a process that runs by itself
        most = Math.max(most, await killOnce(folder, program, random.below(LIFE_MS), `${kill}`))
      }
      return most > 0 ? 'all acknowledged on disk, nothing torn' : 'nothing was acknowledged'
    },
  }))
}

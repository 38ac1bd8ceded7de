// The machine that is simulated: one that is known by name, or what a file exports.
import { readFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type MachineModel, MachineRefused, checkMachine, findMachine, machines } from '../simulate/index.ts'
import { UsageError } from './failure.ts'
import { unknownName } from './options.ts'

/** A value of --machine. @throws UsageError where there is no such machine */
export async function parseMachine(given: string): Promise<MachineModel> {
  const known = findMachine(given)
  if (known !== undefined) return known
  if (!/[./\\]/.test(given))
    throw unknownName(
      given,
      machines.map(({ name }) => name),
      'machine',
      '--machine',
    )
  const file = resolve(given)
  try {
    return checkMachine(await load(file), given)
  } catch (error) {
    if (error instanceof MachineRefused) throw error
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    throw new UsageError(
      `the machine ${given} cannot be loaded: ${reason}`,
      'give a module that exports one, or JSON',
    )
  }
}

async function load(file: string): Promise<unknown> {
  // A missing file, and a folder, are told as what they are.
  const text = await readFile(file, 'utf8')
  if (extname(file) === '.json') return JSON.parse(text)
  const imported = import(pathToFileURL(file).href) as Promise<{ readonly default?: unknown }>
  return (await Promise.race([imported, nothingLeft()])).default
}

/** Fails when nothing is left that could happen: a module may await what never comes. */
function nothingLeft(): Promise<never> {
  return new Promise((_, reject) => {
    process.once('beforeExit', () => reject(new Error('it awaits something that never happens')))
  })
}

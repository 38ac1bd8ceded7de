// The machine that is simulated: one that is known by name, or what a file exports.
import { pathToFileURL } from 'node:url'
import { type MachineModel, checkMachine, findMachine, machines } from '../simulate/index.ts'
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
  let loaded: { readonly default?: unknown }
  try {
    loaded = (await import(pathToFileURL(given).href)) as typeof loaded
  } catch (error) {
    const [reason] = String(error instanceof Error ? error.message : error).split('\n')
    throw new UsageError(`the machine ${given} cannot be loaded: ${reason}`, 'give a module that exports one')
  }
  return checkMachine(loaded.default, given)
}

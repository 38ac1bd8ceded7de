// Machines with some of their numbers changed.

import { type MachineModel, checkMachine } from '../simulate/index.ts'

/**
 * The machine with the numbers at these paths, such as `software.faultNs`, replaced.
 * @throws MachineRefused for a path that leads to no number, or where the machine then makes no sense
 */
export function withConstants(
  machine: MachineModel,
  constants: Readonly<Record<string, number>>,
): MachineModel {
  const changed = structuredClone(machine) as unknown as Record<string, unknown>
  for (const [path, value] of Object.entries(constants)) {
    const parts = path.split('.')
    const name = parts.pop()!
    let part: unknown = changed
    for (const each of parts) part = Object.hasOwn(Object(part), each) ? (part as never)[each] : undefined
    if (typeof part !== 'object' || part === null || typeof (part as never)[name] !== 'number')
      throw new NoConstant(machine.name, path)
    ;(part as Record<string, unknown>)[name] = value
  }
  return checkMachine(changed, machine.name)
}

class NoConstant extends TypeError {
  override readonly name = 'NoConstant'
  readonly remedy = 'see docs/simulator.md for the shape of a machine'

  constructor(machine: string, path: string) {
    super(`${machine} has no number ${path}`)
  }
}

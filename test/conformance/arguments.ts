// What the conformance run is called with.

import { parseArgs } from 'node:util'
import { designs } from '../../src/memory.ts'

export interface Arguments {
  readonly sequences: number
  readonly calls: number
  readonly threads: number
  readonly seed: number
  readonly designs: readonly string[]
}

/** A call that cannot be followed; its message says why. */
export class WrongCall extends Error {
  override readonly name = 'WrongCall'
}

/** Reads the arguments. @throws {WrongCall} */
export function readArguments(args: readonly string[]): Arguments {
  const values = parse(args)
  const { seed } = values
  return {
    sequences: integer('sequences', values.sequences, 1, 1e9),
    calls: integer('calls', values.calls, 1, 500),
    threads: integer('threads', values.threads, 1, 4),
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : integer('seed', seed, 0, 2 ** 31),
    designs: chooseDesigns(values.design),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        sequences: { type: 'string', default: '10000' },
        seed: { type: 'string' },
        calls: { type: 'string', default: '40' },
        design: { type: 'string', default: 'all' },
        threads: { type: 'string', default: '3' },
      },
    }).values
  } catch (error) {
    throw new WrongCall((error as Error).message)
  }
}

function integer(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < least || value > most) {
    throw new WrongCall(`--${name} must be a whole number from ${least} to ${most}, not '${text}'`)
  }
  return value
}

function chooseDesigns(text: string): string[] {
  const known = designs.map(({ name }) => name)
  const chosen = text === 'all' ? known : text.split(',')
  for (const choice of chosen)
    if (!known.includes(choice)) throw new WrongCall(`--design ${choice}: there is ${known.join(', ')}`)
  return chosen
}

// The files that a campaign names: files to check, machines, recordings.
//
// A campaign may come from a stranger. All code that it names must therefore be in its own folder, where only the
// user has put files; machines in JSON and recordings are data, which may be anywhere.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fileDigest, fileIn } from '../check/index.ts'
import { type MachineModel, checkMachine, findMachine, machines } from '../simulate/index.ts'
import type { OfFile } from './job.ts'
import type { Reader } from './reader.ts'

/** Names have neither dots nor slashes. */
export function isPath(name: unknown): boolean {
  return typeof name === 'string' && /[./\\]/.test(name)
}

/** A file with a scenario, which is read and not run. @throws CampaignRefused */
export async function checkFileOf(name: Reader, folder: string): Promise<OfFile> {
  const file = name
    .text()
    .replaceAll('\\', '/')
    .replace(/^(\.\/)+/, '')
  try {
    return { file, content: await fileDigest(fileIn(folder, file)) }
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string }
    throw name.refuse(
      `cannot be checked: ${message}`,
      remedy ?? 'check files in the folder of the campaign, or below',
    )
  }
}

/** A machine of ours, or that of a file: `.json`, or a module of the campaign's folder that exports it. */
export async function machineOf(name: Reader, folder: string): Promise<MachineModel> {
  const text = name.text()
  if (!isPath(text)) {
    name.known(
      text,
      machines.map((machine) => machine.name),
      'machine',
    )
    return findMachine(text)!
  }
  let machine: MachineModel
  try {
    // Plain data, as it is sent to threads and over queues.
    machine = structuredClone(checkMachine(await loadMachine(text, folder), text))
  } catch (error) {
    throw name.refuse(
      `cannot be used: ${(error as Error).message}`,
      'see docs/simulator.md for the shape of a machine',
    )
  }
  if (findMachine(machine.name) === undefined) return machine
  throw name.refuse(`is a machine called ${machine.name}, which is one of ours`, 'give it another name')
}

async function loadMachine(path: string, folder: string): Promise<unknown> {
  if (extname(path) === '.json') return JSON.parse(readFileSync(resolve(folder, path), 'utf8'))
  return ((await import(pathToFileURL(fileIn(folder, path)).href)) as { default?: unknown }).default
}

/** SHA-256 of a recording. @throws CampaignRefused */
export function contentOf(path: Reader, file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex')
  } catch (error) {
    throw path.refuse(`cannot be read: ${(error as Error).message}`, 'check the path')
  }
}

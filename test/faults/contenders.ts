// Several processes at one file: who has it, and who gets it when that one is killed.

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { FaultCase } from './fault-case.ts'

const PAGE = 4096

/** A process that tries to open the file when it is told to. */
class Contender {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #answers: AsyncIterator<string>

  constructor(path: string) {
    const script = fileURLToPath(new URL('./lock-child.ts', import.meta.url))
    this.#child = spawn(process.execPath, [script, path], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]()
  }

  async answer(): Promise<string> {
    const { value } = await this.#answers.next()
    return value ?? 'it has ended'
  }

  /** What comes of its attempt. */
  async attempt(): Promise<string> {
    this.#child.stdin.write('\n')
    return this.answer()
  }

  async kill(): Promise<void> {
    if (this.#child.signalCode !== null || this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }
}

/** Starts processes, and ends what is left of them. */
async function withContenders(
  folder: string,
  processes: number,
  body: (contenders: readonly Contender[], path: string) => Promise<string>,
): Promise<string> {
  const path = join(folder, 'file')
  writeFileSync(path, new Uint8Array(PAGE))
  const contenders = Array.from({ length: processes }, () => new Contender(path))
  try {
    for (const contender of contenders) await contender.answer()
    return await body(contenders, path)
  } finally {
    for (const contender of contenders) await contender.kill()
  }
}

/** @param contenders how many processes want the file whose holder is killed */
export const processesAtOneFile = (contenders: number): readonly FaultCase[] => [
  {
    injected: 'two processes that write to one file',
    expected: 'open; EBUSY; open; 2 on disk',
    run: (folder) =>
      withContenders(folder, 2, async ([first, second], path) => {
        const answers = [await first!.attempt(), await second!.attempt(), await first!.attempt()]
        return `${answers.join('; ')}; ${readFileSync(path).readUInt32LE(0)} on disk`
      }),
  },
  {
    injected: `SIGKILL of the process that holds a file, again and again, of ${contenders} that want it`,
    expected: `one holds it each time; ${contenders} on disk`,
    run: (folder) =>
      withContenders(folder, contenders, async (processes, path) => {
        const left = new Set(processes)
        while (left.size > 0) {
          const attempts = [...left].map(async (contender) => [contender, await contender.attempt()] as const)
          const answers = await Promise.all(attempts)
          const holders = answers.filter(([, answer]) => answer === 'open')
          if (holders.length !== 1 || answers.some(([, answer]) => answer !== 'open' && answer !== 'EBUSY'))
            return `${answers.map(([, answer]) => answer)} of ${left.size}`
          await holders[0]![0].kill()
          left.delete(holders[0]![0])
        }
        return `one holds it each time; ${readFileSync(path).readUInt32LE(0)} on disk`
      }),
  },
]

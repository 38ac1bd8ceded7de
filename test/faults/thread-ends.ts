// What is done to threads that are in the kernel: their stack is used up, or they are ended.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { checkEnds, victims } from '../../src/check/index.ts'
import { Machine, MemoryError, type AddressSpace } from '../../src/memory.ts'
import type { FaultCase } from './fault-case.ts'
import { LOADS } from './load-worker.ts'

/** How long a process may take to end before it counts as hanging, in milliseconds. */
const PATIENCE = 300_000
const DESIGNS = ['lespinasse-2021', 'classic', 'per-vma-refcount-2025', 'leaf-slots']

/** Slow, so not for every run: an interpreted call needs the most of the stack. */
const unoptimised: FaultCase = {
  injected: 'the same without optimised code',
  expected: '60 of 60 RangeErrors; exit 0, 60 on disk',
  run: (folder) => useUpStack(folder, ['--no-opt', '--no-maglev', '--no-sparkplug']),
}

/** The cases, whose number of steps and moments grows with `scale`; at 50, every step and 1,000 moments. */
export function threadEnds(scale: number): readonly FaultCase[] {
  const moments = scale <= 1 ? 2 : 4 * scale
  return [
    {
      injected: 'the stack used up in 60 call shapes',
      expected: '60 of 60 RangeErrors; exit 0, 60 on disk',
      run: (folder) => useUpStack(folder, []),
    },
    ...(scale > 1 ? [unoptimised] : []),
    ...LOADS.map((load) => ({
      injected: `a thread at work with ${load} terminated at ${moments} moments`,
      expected: `the machine goes on ${moments} times`,
      run: () => terminateAtMoments(load, moments),
    })),
    {
      injected: `a thread ordered to stop and ended, stepped, in ${victimsOf(true, scale).length} calls`,
      expected: 'none lost, none hangs, nothing wrong',
      run: () => endStepped(true, scale),
    },
    {
      injected: `a thread ended at once, stepped, in ${victimsOf(false, scale).length} calls`,
      expected: 'none hangs, nothing wrong',
      run: () => endStepped(false, scale),
    },
  ]
}

function useUpStack(folder: string, flags: readonly string[]): string {
  const child = fileURLToPath(new URL('./stack-child.ts', import.meta.url))
  const path = join(folder, 'file')
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, child, path, join(folder, 'swap')],
    { encoding: 'utf8', timeout: PATIENCE },
  )
  const onDisk = readFileSync(path).readUInt32LE(100)
  return `${stdout.trim()}${stderr.trim()}; ${signal ?? `exit ${status}`}, ${onDisk} on disk`
}

/** Terminates a thread at work, so many times, and works on. */
async function terminateAtMoments(load: string, moments: number): Promise<string> {
  const answers = new Map<string, number>()
  for (let moment = 0; moment < moments; moment++) {
    const machine = Machine.create({ memory: '4MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const base = space.mmap(1 << 20, { populate: true })
    const workerData = { space: space.handle, base, load }
    const worker = new Worker(new URL('./load-worker.ts', import.meta.url), { workerData })
    await once(worker, 'message')
    // Any moment will do, and these are not the same.
    for (let turn = 0; turn < (moment * 7919) % 50; turn++) await new Promise(setImmediate)
    await worker.terminate()
    const answer = workOn(space, base)
    answers.set(answer, (answers.get(answer) ?? 0) + 1)
    machine.detach({ discard: true })
  }
  return [...answers].map(([answer, times]) => `${answer} ${times} times`).join('; ')
}

function workOn(space: AddressSpace, base: number): string {
  try {
    space.writeUint32(base, 1)
    space.munmap(space.mmap(1 << 16, { populate: true }), 1 << 16)
    space.fork().destroy()
    return 'the machine goes on'
  } catch (error) {
    if (error instanceof MemoryError) throw error
    return (error as Error).name
  }
}

/** All calls; below a scale of 1 one half for each of the two ends. */
function victimsOf(ordered: boolean, scale: number): readonly string[] {
  return Object.keys(victims).filter((_, index) => scale >= 1 || index % 2 === (ordered ? 1 : 0))
}

/** At one step in so many of each call, or at every one where `scale` is 50 or more. */
async function endStepped(ordered: boolean, scale: number): Promise<string> {
  const stride = scale <= 1 ? 240 : Math.max(1, Math.floor(50 / scale))
  const orders = ['bystander', 'undertaker', 'called', 1, 2, 3] as const
  const seen = new Set<string>()
  let lost = 0
  for (const [index, victim] of victimsOf(ordered, scale).entries()) {
    const design = DESIGNS[index % DESIGNS.length]!
    for (const each of scale >= 50 ? DESIGNS : [design]) {
      // Reclaim takes ten times as many steps as any other call.
      const wide = victim === 'reclaim' ? 20 * stride : stride
      const result = await checkEnds({
        design: each,
        rwsem: 'xadd',
        victim,
        ordered,
        orders,
        stride: wide,
        offset: index % stride,
      })
      lost += result.lost
      for (const failure of result.failures) seen.add(`${each}: ${failure}`)
    }
  }
  if (seen.size > 0) return [...seen].slice(0, 3).join('; ')
  if (!ordered) return 'none hangs, nothing wrong'
  return `${lost === 0 ? 'none' : lost} lost, none hangs, nothing wrong`
}

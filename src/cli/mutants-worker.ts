// A worker thread that runs some mutants, one after the other, each when it is asked for the next.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { mutantNamed } from '../check/index.ts'
import { type MutantGroup, checkMutant } from './check-mutants.ts'

const { names, exploring } = workerData as MutantGroup
for (const name of names) {
  const mutant = mutantNamed(name)
  if (mutant === undefined) throw new Error(`there is no mutant '${name}'`)
  const result = await checkMutant(mutant, exploring)
  parentPort!.postMessage(result)
  await once(parentPort!, 'message')
}

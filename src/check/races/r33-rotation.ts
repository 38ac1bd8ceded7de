// Race R33: lookups beside a rotation of the tree.

import { at } from '../mutants/patch.ts'
import type { Race } from './race.ts'

export const rotation: Race = {
  number: 'R33',
  title: 'A tree that turns while it is read',
  story:
    'The red-black tree is rebalanced by rotations, and a walk without locks that meets one can end beside the VMA that it looks for. It always ends, as nodes point to nodes; but “not found” means nothing.',
  fix: 'A miss leads to the classic path, never to a SIGSEGV (invariant I1). Zijlstra and Dufour look again where a seqlock says that the tree has changed; that saves classic faults and is not needed otherwise.',
  exhibits: [
    {
      had: 'nobody as published; here Lespinasse 2021 with a miss that is a SIGSEGV',
      scenario: 'rotation-miss',
      design: 'lespinasse-2021',
      mutant: 'miss-is-a-fault',
      fails: 'error',
      message: /no sequential order/,
      shows: /rbLeft|rbRight|rbRoot|mmapSeq/,
    },
  ],
  holds: [
    { scenario: 'rotation-miss', design: 'lespinasse-2021', complete: true },
    {
      scenario: 'rotation-miss',
      design: 'zijlstra-2014',
      complete: true,
      because: 'even without the seqlock of the tree',
      patches: [at('designs/zijlstra-2014.ts', 'findVmaSrcu').force('!readSeqcountRetry(...$)', true)],
    },
  ],
}

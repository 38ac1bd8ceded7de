// The races of the literature on speculative page faults, R1 to R37: those that are shown, and those that are not.

import { absentRaces } from './absent.ts'
import { forkRace } from './r01-fork.ts'
import { mremapRace } from './r02-mremap.ts'
import { sameAgain } from './r03-aba.ts'
import { tableMoved } from './r04-table-moved.ts'
import { tableMade } from './r05-table-made.ts'
import { tableGone } from './r06-table-gone.ts'
import { deadTable } from './r07-dead-table.ts'
import { twoWriters } from './r09-two-writers.ts'
import { unannounced } from './r10-unannounced.ts'
import { interruptDeadlock } from './r11-interrupts.ts'
import { tryLoop } from './r12-try-loop.ts'
import { lockFreed } from './r15-lock-freed.ts'
import { wrongWindow } from './r16-wrong-window.ts'
import { registration } from './r17-registration.ts'
import { noEnd } from './r18-no-end.ts'
import { fileInUse } from './r20-file-in-use.ts'
import { pageReference } from './r22-page-reference.ts'
import { anonVma } from './r23-anon-vma.ts'
import { freedVma } from './r24-freed-vma.ts'
import { recycled } from './r25-recycled.ts'
import { staleHandle } from './r26-stale-handle.ts'
import { forkLockRace } from './r27-fork-lock.ts'
import { alone } from './r30-alone.ts'
import { vmaCache } from './r31-vma-cache.ts'
import { lostWakeUp } from './r32-lost-wake-up.ts'
import { rotation } from './r33-rotation.ts'
import { torn } from './r34-torn.ts'
import { reaper } from './r35-reaper.ts'
import { countedTwice } from './r36-counted-twice.ts'
import { swap } from './r37-swap.ts'
import type { Race } from './race.ts'

export { absentRaces }
export type { AbsentRace, Exhibit, Holds, Race } from './race.ts'

export const races: readonly Race[] = [
  forkRace,
  mremapRace,
  sameAgain,
  tableMoved,
  tableMade,
  tableGone,
  deadTable,
  twoWriters,
  unannounced,
  interruptDeadlock,
  tryLoop,
  lockFreed,
  wrongWindow,
  registration,
  noEnd,
  fileInUse,
  pageReference,
  anonVma,
  freedVma,
  recycled,
  staleHandle,
  forkLockRace,
  alone,
  vmaCache,
  lostWakeUp,
  rotation,
  torn,
  reaper,
  countedTwice,
  swap,
]

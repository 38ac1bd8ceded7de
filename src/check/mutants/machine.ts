// Mutants of the machine: interrupts and their answers, the TLB, an access as one instruction.

import type { MutantTable } from './mutant.ts'
import { at } from './patch.ts'

const cpu = 'machine/cpu.ts'
const calls = 'machine/calls.ts'
const access = 'fault/access.ts'
const end = 'calls/thread-end.ts'

/** An interrupt arrives between the translation of an atomic addition and its data. */
const interrupted = at(access, 'addInt32').before('const before = $', 'pollInterrupts(cpu)')

export const machineMutants: MutantTable = {
  'no-flush-on-entry': {
    guard: 'a CPU that was told to flush while it was outside does so when it enters',
    scenario: 'fault-munmap',
    patches: at(cpu, 'kernelEnterSlow').drop('flushTlb(cpu)'),
  },
  'no-answer-on-exit': {
    guard: 'a CPU that leaves answers the interrupts that are pending',
    scenario: 'fault-munmap',
    patches: at(cpu, 'kernelExit').drop('if ((before & CPU_INTERRUPT) !== 0) $'),
  },
  'one-answer-on-exit': {
    guard: 'a CPU that answers while it leaves checks for interrupts again afterwards',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(cpu, 'kernelExitSlow').after(
        'serviceInterrupts(cpu)',
        'Atomics.sub(cpu.heap, cpu.base, CPU_INSIDE)',
      ),
      at(cpu, 'kernelExitSlow').force('(Atomics.sub(...$) & CPU_INTERRUPT) !== 0', false),
    ],
  },
  'no-answer-on-entry': {
    guard: 'a CPU that enters answers the interrupts that are pending',
    scenario: 'fault-munmap',
    redundant: 'it answers when it leaves; the answer comes later',
    patches: at(cpu, 'kernelEnterSlow').drop('if ((before & CPU_INTERRUPT) !== 0) $'),
  },
  'no-answer-when-enabled': {
    guard: 'enabling interrupts answers those that are pending',
    scenario: 'interrupt-deadlock',
    redundant: 'the CPU answers when it leaves; the answer comes later',
    patches: at(cpu, 'enableInterrupts').drop('pollInterrupts(cpu)'),
  },
  'call-not-taken-back': {
    guard: 'a call to a CPU that has just left is withdrawn',
    scenario: 'fault-munmap',
    patches: at(calls, 'sendCall').replace('Atomics.and(heap, mailbox, ~bit)', 'return true'),
  },
  'burial-of-whoever-has-it': {
    guard:
      'a thread that cleans up takes the CPU of the dead thread, by its number, and not that of a newer one',
    scenario: 'two-undertakers',
    patches: at(end, 'claimDead').replace(
      'Atomics.compareExchange(...$) === thread',
      'Atomics.exchange(heap, base + PerCpu.hostThread, heir) !== NO_THREAD',
    ),
  },
  'claim-not-at-once': {
    guard: 'only one of two threads that find a thread dead gets its CPU',
    scenario: 'undertaker-heir',
    patches: at(end, 'claimDead').before(
      'return Atomics.compareExchange(...$) === thread',
      'if (Atomics.load(heap, base + PerCpu.hostThread) === thread) {' +
        ' Atomics.store(heap, base + PerCpu.hostThread, heir); return true }',
    ),
  },
  'drain-once': {
    guard: 'a CPU that leaves before it is asked for its free frames is checked again',
    scenario: 'frames-of-leaving-cpu',
    patches: at('memory/page-alloc.ts', 'drainCpu').replace(
      'if (callFunctionSingle(...$)) return; cpuRelax(cpu)',
      'callFunctionSingle(cpu, id, CALL_DRAIN_PCP); return',
    ),
  },
  'flush-mark-after-entry': {
    guard: 'a CPU is marked to flush only if it is still outside',
    scenario: 'stale-access',
    patches: at(calls, 'sendCall').replace(
      'if (Atomics.compareExchange(...$) === state) return false; continue',
      'Atomics.or(heap, targetBase, CPU_FLUSH); return false',
    ),
  },
  'interrupt-cleared-late': {
    guard: 'the interrupt is cleared before the mailbox is read',
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      at(cpu, 'answerCalls').drop('Atomics.and(heap, base, ~CPU_INTERRUPT)'),
      at(cpu, 'answerCalls').after(
        'for (let word = 0; $; word++) $',
        'Atomics.and(heap, base, ~CPU_INTERRUPT)',
      ),
    ],
  },
  'answered-while-disabled': {
    guard: 'no interrupt is answered while interrupts are disabled',
    scenario: 'stale-access',
    patches: [
      interrupted,
      at(cpu, 'pollInterrupts').drop('cpu.interruptsEnabled'),
      at(cpu, 'serviceInterrupts').drop('if (!cpu.interruptsEnabled) $'),
    ],
  },
  'access-interrupted': {
    guard: 'an access is one instruction: interrupts are disabled from the translation to the data',
    scenario: 'stale-access',
    patches: [interrupted, at(access, 'accessFrame').drop('cpu.interruptsEnabled = false')],
  },
  'answered-before-flushing': {
    guard: 'a CPU answers when it has flushed',
    scenario: 'fault-munmap-table-interrupts',
    patches: at(cpu, 'answerCalls').swap('doCall(cpu, sender)', 'Atomics.and(heap, mailbox, ~(1 << bit))'),
  },
  'answer-within-an-answer': {
    guard: 'a CPU answers with interrupts disabled, so that it does not start another answer when it unlocks',
    scenario: 'nested-answer',
    patches: at(cpu, 'serviceInterrupts').drop('disableInterrupts(cpu)'),
  },
  'answered-from-outside': {
    guard: 'a CPU does not answer while it is outside: the caller withdraws the call and makes its next',
    scenario: 'called-outside',
    patches: at(cpu, 'isInterruptPending').replace('CPU_INSIDE | CPU_INTERRUPT', 'CPU_INTERRUPT'),
  },
  'cut-off-answer-not-given': {
    guard: 'if a stay is aborted during an answer, the calls are answered when the stay is ended',
    scenario: 'answer-cut-off',
    patches: at(cpu, 'exitTornStay').drop('Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)'),
  },
  'no-wait-for-answers': {
    guard: 'the caller of other CPUs waits until all have answered',
    scenario: 'stale-access',
    patches: at(calls, 'callFunctionMany').drop('waitForAnswer(cpu, word * 32 + bit)'),
  },
  'answer-not-notified': {
    guard: 'an answer wakes the caller that halts',
    scenario: 'answer-halting',
    patches: at(cpu, 'answerCalls').drop('if (Atomics.load(...$) === mailbox) $'),
  },
  'other-translation-overwritten': {
    guard: 'hardware sets the accessed and dirty bits only in an entry that has not changed',
    scenario: 'file-write-munmap',
    patches: at('machine/mmu.ts', 'walk').replace(
      'if (Atomics.compareExchange(...$) !== entry) $',
      'Atomics.store(heap, address, entry | bits)',
    ),
  },
  'fault-keeps-translation': {
    guard: 'a fault drops the translation of its page',
    scenario: 'fault-drops-translation',
    patches: at('machine/mmu.ts', 'pageFault').drop('if (cpu.tlbPage[slot] === page && $) $'),
  },
  'walk-cache-kept': {
    guard: 'a flush also drops the paging-structure cache',
    race: 'R5',
    scenario: 'table-flush',
    patches: at(cpu, 'flushTlbRange').drop('cpu.walkRun.fill(-1)'),
  },
}

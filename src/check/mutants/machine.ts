// Mutants of the machine: interrupts and their answers, the TLB, an access as one instruction.

import type { SourcePatch } from '../../backends/stepped/index.ts'
import { type Mutant, patch } from './mutant.ts'

const cpu = 'machine/cpu.ts'
const calls = 'machine/calls.ts'
const access = 'mm/access.ts'

/** An interrupt arrives between the translation of an atomic addition and its data. */
const interrupted: readonly SourcePatch[] = [
  patch(access, 'import { beginWork, ', 'import { pollInterrupts, beginWork, '),
  patch(access, '  const before = Atomics.add(', '  pollInterrupts(cpu)\n  const before = Atomics.add('),
]

export const machineMutants: readonly Mutant[] = [
  {
    name: 'no-flush-on-entry',
    guard: 'a CPU that was told to flush while it was outside does so when it enters',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      patch(
        cpu,
        'flushTlb(cpu)\n    Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)',
        'Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)',
      ),
    ],
  },
  {
    name: 'no-answer-on-exit',
    guard: 'a CPU that leaves answers the interrupts that are pending',
    race: null,
    scenario: 'fault-munmap',
    patches: [patch(cpu, '  if ((before & CPU_INTERRUPT) !== 0) kernelExitSlow(cpu)', '')],
  },
  {
    name: 'one-answer-on-exit',
    guard: 'a CPU that answers on its way out looks for interrupts again when it is done',
    race: null,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      patch(
        cpu,
        '  } while ((Atomics.sub(cpu.heap, cpu.base, CPU_INSIDE) & CPU_INTERRUPT) !== 0)',
        '    Atomics.sub(cpu.heap, cpu.base, CPU_INSIDE)\n  } while (false)',
      ),
    ],
  },
  {
    name: 'no-answer-on-entry',
    guard: 'a CPU that enters answers the interrupts that are pending',
    race: null,
    scenario: 'fault-munmap',
    redundant: 'it answers when it leaves; the answer comes later',
    patches: [patch(cpu, '  if ((before & CPU_INTERRUPT) !== 0) serviceInterrupts(cpu)\n', '')],
  },
  {
    name: 'no-answer-when-enabled',
    guard: 'enabling interrupts answers those that are pending',
    race: null,
    scenario: 'interrupt-deadlock',
    redundant: 'the CPU answers when it leaves; the answer comes later',
    patches: [
      patch(cpu, '  cpu.interruptsEnabled = true\n  pollInterrupts(cpu)', '  cpu.interruptsEnabled = true'),
    ],
  },
  {
    name: 'call-not-taken-back',
    guard: 'a call to a CPU that has just left is taken back',
    race: null,
    scenario: 'fault-munmap',
    patches: [
      patch(
        calls,
        'may stay away for ever: the call is taken back.\n    Atomics.and(heap, mailbox, ~bit)',
        'may stay away for ever.\n    return true',
      ),
    ],
  },
  {
    name: 'drain-once',
    guard: 'a CPU that leaves before it is called to give back its free frames is looked at again',
    race: null,
    scenario: 'frames-of-leaving-cpu',
    patches: [
      patch(
        'mm/page-alloc.ts',
        'if (callFunctionSingle(cpu, id, CALL_DRAIN_PCP)) return\n    cpuRelax(cpu)',
        'callFunctionSingle(cpu, id, CALL_DRAIN_PCP)\n    return',
      ),
    ],
  },
  {
    name: 'flush-mark-after-entry',
    guard: 'a CPU is marked to flush only if it is still outside',
    race: null,
    scenario: 'stale-access',
    patches: [
      patch(
        calls,
        'if (Atomics.compareExchange(heap, targetBase, state, state | CPU_FLUSH) === state) return false\n      continue',
        'Atomics.or(heap, targetBase, CPU_FLUSH)\n      return false',
      ),
    ],
  },
  {
    name: 'interrupt-cleared-late',
    guard: 'the interrupt is cleared before the mailbox is read',
    race: null,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      patch(cpu, '  Atomics.and(heap, base, ~CPU_INTERRUPT)\n  for', '  for'),
      patch(
        cpu,
        'Atomics.notify(heap, mailbox)\n    }\n  }\n',
        'Atomics.notify(heap, mailbox)\n    }\n  }\n  Atomics.and(heap, base, ~CPU_INTERRUPT)\n',
      ),
    ],
  },
  {
    name: 'answered-while-disabled',
    guard: 'no interrupt is answered while interrupts are disabled',
    race: null,
    scenario: 'stale-access',
    patches: [
      ...interrupted,
      patch(cpu, 'if (cpu.interruptsEnabled && isInterruptPending(cpu))', 'if (isInterruptPending(cpu))'),
      patch(cpu, '  if (!cpu.interruptsEnabled) return\n', ''),
    ],
  },
  {
    name: 'access-interrupted',
    guard: 'an access is one instruction: interrupts are disabled from the translation to the data',
    race: null,
    scenario: 'stale-access',
    patches: [...interrupted, patch(access, '  cpu.interruptsEnabled = false\n', '')],
  },
  {
    name: 'answered-before-flushing',
    guard: 'a CPU answers when it has flushed',
    race: null,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      patch(
        cpu,
        '      doCall(cpu, sender)\n      Atomics.and(heap, mailbox, ~(1 << bit))\n',
        '      Atomics.and(heap, mailbox, ~(1 << bit))\n      doCall(cpu, sender)\n',
      ),
    ],
  },
  {
    name: 'answer-within-an-answer',
    guard:
      'a CPU answers with interrupts disabled, so that it does not begin to answer anew where it unlocks',
    race: null,
    scenario: 'nested-answer',
    patches: [patch(cpu, '  disableInterrupts(cpu)\n  do answerCalls', '  do answerCalls')],
  },
  {
    name: 'answered-from-outside',
    guard: 'a CPU answers nothing while it is outside: the caller takes the call back and makes its next',
    race: null,
    scenario: 'called-outside',
    patches: [patch(cpu, 'const called = CPU_INSIDE | CPU_INTERRUPT', 'const called = CPU_INTERRUPT')],
  },
  {
    name: 'cut-off-answer-not-given',
    guard: 'calls in whose answer a stay was cut off are answered when the stay is ended',
    race: null,
    scenario: 'answer-cut-off',
    patches: [patch(cpu, '  Atomics.or(cpu.heap, cpu.base, CPU_INTERRUPT)\n', '')],
  },
  {
    name: 'no-wait-for-answers',
    guard: 'who calls other CPUs waits until all have answered',
    race: null,
    scenario: 'stale-access',
    patches: [patch(calls, '      waitForAnswer(cpu, word * 32 + bit)\n', '')],
  },
  {
    name: 'answer-not-notified',
    guard: 'who answers wakes the caller that halts',
    race: null,
    scenario: 'answer-halting',
    patches: [
      patch(
        cpu,
        'if (Atomics.load(heap, sender + PerCpu.haltedOn) === mailbox) Atomics.notify(heap, mailbox)',
        '',
      ),
    ],
  },
  {
    name: 'other-translation-overwritten',
    guard: 'hardware sets the accessed and dirty bits only in an entry that has not changed',
    race: null,
    scenario: 'file-write-munmap',
    patches: [
      patch(
        'machine/mmu.ts',
        'if (Atomics.compareExchange(heap, address, entry, entry | bits) !== entry) continue',
        'Atomics.store(heap, address, entry | bits)',
      ),
    ],
  },
  {
    name: 'walk-cache-kept',
    guard: 'a flush also drops the paging-structure cache',
    race: 'R5',
    scenario: 'table-flush',
    patches: [patch(cpu, '  cpu.walkRun.fill(-1)\n}\n\n// ------', '}\n\n// ------')],
  },
]

// Mutants of the machine: interrupts and their answers, the TLB, an access as one instruction.

import type { SourcePatch } from '../../backends/stepped/index.ts'
import { type Mutant, patch } from './mutant.ts'

const cpu = 'machine/cpu.ts'
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
        'Atomics.and(cpu.heap, cpu.base, ~CPU_FLUSH)\n    flushTlb(cpu)',
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
        cpu,
        [
          '    if ((Atomics.and(heap, mailbox, ~bit) & bit) === 0) return true',
          '    Atomics.sub(heap, base + PerCpu.callPending, 1)',
        ].join('\n'),
        '    return true',
      ),
    ],
  },
  {
    name: 'call-taken-back-twice',
    guard: 'a call that was answered meanwhile is not taken back',
    race: null,
    scenario: 'stale-access',
    patches: [
      patch(
        cpu,
        'if ((Atomics.and(heap, mailbox, ~bit) & bit) === 0) return true',
        'Atomics.and(heap, mailbox, ~bit)',
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
        cpu,
        'if (Atomics.compareExchange(heap, targetBase, state, state | CPU_FLUSH) === state) return false\n      continue',
        'Atomics.or(heap, targetBase, CPU_FLUSH)\n      return false',
      ),
    ],
  },
  {
    name: 'interrupt-cleared-late',
    guard: 'the interrupt is cleared before the mailbox is emptied',
    race: null,
    scenario: 'fault-munmap-table-interrupts',
    patches: [
      patch(cpu, '  Atomics.and(heap, base, ~CPU_INTERRUPT)\n  for', '  for'),
      patch(
        cpu,
        '      answerCall(cpu, perCpuBase(heap, word * 32 + bit))\n    }\n  }\n',
        '      answerCall(cpu, perCpuBase(heap, word * 32 + bit))\n    }\n  }\n  Atomics.and(heap, base, ~CPU_INTERRUPT)\n',
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
        '  if (callFunction === CALL_FLUSH_TLB) {',
        '  if (Atomics.sub(heap, sender + PerCpu.callPending, 1) === 1)\n    Atomics.notify(heap, sender + PerCpu.callPending)\n  if (callFunction === CALL_FLUSH_TLB) {',
      ),
      patch(
        cpu,
        'run(cpu)\n  }\n  if (Atomics.sub(heap, sender + PerCpu.callPending, 1) === 1)\n    Atomics.notify(heap, sender + PerCpu.callPending)\n',
        'run(cpu)\n  }\n',
      ),
    ],
  },
  {
    name: 'no-wait-for-answers',
    guard: 'who calls other CPUs waits until all have answered',
    race: null,
    scenario: 'stale-access',
    patches: [
      patch(
        cpu,
        '  waitUntilZero(cpu, base + PerCpu.callPending)\n}\n\n/**\n * Has CPU',
        '}\n\n/**\n * Has CPU',
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

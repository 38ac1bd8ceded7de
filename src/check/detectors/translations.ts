// Translations that CPUs may still use, and since when they have them.

import { Mm, PTE_FRAME_SHIFT, type Task } from '../../kernel/index.ts'
import type { KernelMachine } from '../kernel-machine.ts'
import { broken } from '../kernel-rule.ts'

const CPU_FLUSH = 4

export interface SavedTranslations {
  readonly slots: readonly (readonly number[])[]
  /** When these slots were filled. */
  readonly filled: readonly (readonly number[])[]
  readonly callBegan: readonly number[]
  readonly clock: number
}

export class Translations {
  readonly #machine: KernelMachine
  /** Of each CPU, the slots of the TLB that may be in use: at first, and in this execution. */
  readonly #initialSlots: readonly (readonly number[])[]
  readonly #slots: number[][]
  /** Of each CPU and slot of its TLB, when it was last filled, and 0 for before. */
  readonly #filled: readonly Int32Array[]
  /** When the call in progress of each CPU began. */
  readonly #callBegan: number[]
  #clock = 0

  constructor(machine: KernelMachine) {
    this.#machine = machine
    this.#callBegan = machine.tasks.map(() => 0)
    this.#initialSlots = machine.tasks.map((task) =>
      [...task.tlbPage.keys()].filter((slot) => task.tlbPage[slot]! >= 0),
    )
    this.#slots = this.#initialSlots.map((slots) => [...slots])
    this.#filled = machine.tasks.map((task) => new Int32Array(task.tlbPage.length))
  }

  /** To be called before each execution. */
  begin(): void {
    for (let id = 0; id < this.#slots.length; id++) {
      const slots = this.#slots[id]!
      for (let at = 0; at < slots.length; at++) this.#filled[id]![slots[at]!] = 0
      slots.length = this.#initialSlots[id]!.length
    }
    this.#callBegan.fill(0)
    this.#clock = 0
  }

  save(): SavedTranslations {
    return {
      slots: this.#slots.map((slots) => [...slots]),
      filled: this.#filled.map((filled, id) => this.#slots[id]!.map((slot) => filled[slot]!)),
      callBegan: [...this.#callBegan],
      clock: this.#clock,
    }
  }

  restore({ slots, filled, callBegan, clock }: SavedTranslations): void {
    slots.forEach((list, id) => {
      const now = this.#slots[id]!
      now.length = list.length
      list.forEach((slot, at) => {
        now[at] = slot
        this.#filled[id]![slot] = filled[id]![at]!
      })
      this.#callBegan[id] = callBegan[id]!
    })
    this.#clock = clock
  }

  callBegins(cpu: Task): void {
    this.#callBegan[cpu.id] = ++this.#clock
  }

  /** A translation of `page` may come into the TLB. */
  walks(cpu: Task, page: number): void {
    const slot = page & (cpu.tlbPage.length - 1)
    const slots = this.#slots[cpu.id]!
    if (!slots.includes(slot)) slots.push(slot)
    this.#filled[cpu.id]![slot] = ++this.#clock
  }

  /** Outside and marked to flush, a CPU cannot use what it holds. */
  #usesItsTlb(task: Task): boolean {
    return (this.#machine.heap[task.base]! & CPU_FLUSH) === 0
  }

  /** A call has returned that takes the translations of [start, end) away: none from before it may be left. */
  noTranslation(cpu: Task, call: string, mm: number, start: number, end: number, only = 0): void {
    const began = this.#callBegan[cpu.id]!
    for (const task of this.#machine.tasks) {
      if (!this.#usesItsTlb(task)) continue
      for (const slot of this.#slots[task.id]!) {
        const filled = this.#filled[task.id]![slot]!
        const page = task.tlbPage[slot]!
        if (page < start || page >= end || filled > began || task.tlbRoot[slot] !== mm + Mm.pgd) continue
        if (only !== 0 && (task.tlbEntry[slot]! & only) === 0) continue
        broken(
          `${call} has returned on CPU ${cpu.id}, and CPU ${task.id} can still use its old translation of page ${hex(page)}`,
        )
      }
    }
  }

  /** No CPU may be able to use what is in `frame`, which `cpu` frees. */
  noneOfFrame(cpu: Task, frame: number): void {
    for (const task of this.#machine.tasks) {
      if (!this.#usesItsTlb(task)) continue
      for (const slot of this.#slots[task.id]!) {
        if (task.tlbPage[slot]! < 0 || task.tlbEntry[slot]! >>> PTE_FRAME_SHIFT !== frame) continue
        const page = hex(task.tlbPage[slot]!)
        broken(
          `CPU ${cpu.id} frees frame ${frame}, to which CPU ${task.id} can still use a translation of page ${page}`,
        )
      }
    }
  }
}

export function hex(page: number): string {
  return `0x${page.toString(16)}`
}

// Which CPU holds which lock, and what it must not do meanwhile (kernel/locking/lockdep.c).
//
// Locks have to be taken in one order of their classes, in this execution; that interrupts are answered is a class like
// another. And where a lock may be slept for, nothing may be held that forbids sleep, also where the lock is free.

import { Header, PAGE_STRUCT_WORDS, Page, PerCpu, type Task } from '../../kernel/index.ts'
import type { KernelMachine } from '../kernel-machine.ts'
import { broken } from '../kernel-rule.ts'
import { CLASSES_MAX, CLASS_ANSWER, CLASS_MMAP_LOCK, LockClasses } from './lock-classes.ts'

// How a lock is held. A lock that is held is one number, its word times LOCK_KINDS and one of these.
export const SPINLOCK = 0
export const READ_LOCK = 1
export const WRITE_LOCK = 2
const LOCK_KINDS = 4

function lockOf(word: number, kind: number): number {
  return word * LOCK_KINDS + kind
}

function wordOf(lock: number): number {
  return (lock / LOCK_KINDS) | 0
}

export interface SavedLocks {
  readonly held: readonly (readonly number[])[]
  readonly lockedPages: readonly (readonly number[])[]
  /** How many edges there were in the order of the classes. */
  readonly edges: number
}

function replace(list: number[], by: readonly number[]): void {
  list.length = 0
  for (const each of by) list.push(each)
}

export class LockRules {
  readonly #machine: KernelMachine
  readonly #classes: LockClasses
  /**
   * Whether the order of locks and answers is held too: where others may have the locks that are not in the scenario.
   * Not for designs as they were published: some break it, and what comes of it is for the scenarios to show.
   */
  readonly #holdsAnswers: boolean
  readonly #held: number[][]
  /** Of each CPU, the frames that it has locked; that, it may keep while it sleeps. */
  readonly #lockedPages: number[][]
  // Which class of locks was taken while which other was held, in this execution.
  readonly #order = new Int32Array(CLASSES_MAX * CLASSES_MAX)
  readonly #orderSet: number[] = []

  /** `kinds` as in {@link LockClasses}. */
  constructor(machine: KernelMachine, kinds: Int32Array) {
    this.#machine = machine
    this.#classes = new LockClasses(machine.heap, kinds)
    this.#holdsAnswers = machine.contended && !machine.published
    this.#held = machine.tasks.map(() => [])
    this.#lockedPages = machine.tasks.map(() => [])
  }

  /** To be called before each execution. */
  begin(): void {
    for (const held of this.#held) held.length = 0
    for (const locked of this.#lockedPages) locked.length = 0
    for (const edge of this.#orderSet) this.#order[edge] = 0
    this.#orderSet.length = 0
  }

  /** What is known of this execution. */
  save(): SavedLocks {
    return {
      held: this.#held.map((held) => [...held]),
      lockedPages: this.#lockedPages.map((locked) => [...locked]),
      edges: this.#orderSet.length,
    }
  }

  /** Back to what was known at an earlier moment of this execution. */
  restore({ held, lockedPages, edges }: SavedLocks): void {
    held.forEach((locks, id) => replace(this.#held[id]!, locks))
    lockedPages.forEach((frames, id) => replace(this.#lockedPages[id]!, frames))
    while (this.#orderSet.length > edges) this.#order[this.#orderSet.pop()!] = 0
  }

  /** To be called when all threads are finished. */
  end(): void {
    this.#held.forEach((held, id) => {
      if (held.length > 0) broken(`CPU ${id} has finished and holds ${this.#nameOf(wordOf(held[0]!))}`)
    })
  }

  isMmapLock(word: number): boolean {
    return this.#classes.of(word) === CLASS_MMAP_LOCK
  }

  /** The CPU holds the lock so, or is about to. */
  holds(id: number, word: number, kind: number): boolean {
    return this.#held[id]!.includes(lockOf(word, kind))
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Taking and giving up

  /** It waits for the lock and takes it. */
  take(cpu: Task, word: number, kind: number): void {
    if (kind !== SPINLOCK) this.maySleep(cpu)
    const held = this.#held[cpu.id]!
    if (kind !== SPINLOCK && this.#lockedPages[cpu.id]!.length > 0 && this.isMmapLock(word))
      broken(
        `lock order: CPU ${cpu.id} takes mm.mmapLock and holds the lock of a page, which faults take inside`,
      )
    for (let at = 0; at < held.length; at++) {
      const other = wordOf(held[at]!)
      if (other === word) broken(`CPU ${cpu.id} takes ${this.#nameOf(word)}, which it holds`)
      this.#noteOrder(cpu, other, word)
    }
    if (kind === SPINLOCK && !cpu.interruptsEnabled && this.#holdsAnswers) this.#waitsUnanswering(cpu, word)
    held.push(lockOf(word, kind))
  }

  /** It was free, and the CPU has it without having waited. */
  took(cpu: Task, word: number, kind: number): void {
    this.#held[cpu.id]!.push(lockOf(word, kind))
  }

  release(cpu: Task, word: number, kind: number): void {
    const held = this.#held[cpu.id]!
    const lock = lockOf(word, kind)
    if (held.length > 0 && held.at(-1) === lock) {
      held.pop()
      return
    }
    const at = held.lastIndexOf(lock)
    if (at >= 0) {
      held.splice(at, 1)
      return
    }
    const holder = this.#held.findIndex((each) => each.some((other) => wordOf(other) === word))
    const by = holder < 0 ? 'nobody holds' : `CPU ${holder} holds`
    broken(`CPU ${cpu.id} releases ${this.#nameOf(word)}, which ${by}`)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Order

  #noteOrder(cpu: Task, outer: number, inner: number): void {
    const from = this.#classes.of(outer)
    const to = this.#classes.of(inner)
    if (from === to) {
      // As lockdep's nest_lock: who holds a semaphore for writing is alone in taking two.
      if (this.#held[cpu.id]!.some((lock) => lock % LOCK_KINDS === WRITE_LOCK)) return
      broken(`lock order: CPU ${cpu.id} takes ${this.#nameOf(inner)} and holds another of its kind`)
    }
    if (this.#order[from * CLASSES_MAX + to] !== 0) return
    if (this.#reaches(to, from)) {
      const names = `${this.#classes.names[to]} and holds ${this.#classes.names[from]}`
      broken(`lock order: CPU ${cpu.id} takes ${names}; the other way round they were taken before`)
    }
    this.#noteEdge(cpu, from, to)
  }

  /** Who has the lock may be waiting for an answer of this CPU, or for another lock of which that is so. */
  #waitsUnanswering(cpu: Task, word: number): void {
    const lock = this.#classes.of(word)
    if (this.#reaches(lock, CLASS_ANSWER))
      broken(
        `lock order: CPU ${cpu.id} waits for ${this.#nameOf(word)} with interrupts disabled; who had it before waited for answers of other CPUs`,
      )
    this.#noteEdge(cpu, CLASS_ANSWER, lock)
  }

  /** Other CPUs are called, and their answers waited for. */
  callsOthers(cpu: Task): void {
    if (!this.#holdsAnswers) return
    for (const lock of this.#held[cpu.id]!) {
      const held = this.#classes.of(wordOf(lock))
      if (this.#reaches(CLASS_ANSWER, held))
        broken(
          `lock order: CPU ${cpu.id} waits for answers of other CPUs and holds ${this.#classes.names[held]}, which was waited for with interrupts disabled before`,
        )
      this.#noteEdge(cpu, held, CLASS_ANSWER)
    }
  }

  #noteEdge(cpu: Task, from: number, to: number): void {
    const edge = from * CLASSES_MAX + to
    if (this.#order[edge] !== 0) return
    this.#order[edge] = cpu.id + 1
    this.#orderSet.push(edge)
  }

  #reaches(from: number, to: number): boolean {
    const seen = new Set([from])
    for (const at of seen) {
      if (at === to) return true
      for (let next = 0; next < this.#classes.names.length; next++) {
        if (this.#order[at * CLASSES_MAX + next] !== 0) seen.add(next)
      }
    }
    return false
  }

  #nameOf(word: number): string {
    return this.#classes.nameOf(word)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Locks of pages

  /** Of several pages, they are waited for in the order of their place in one file. */
  waitsForPage(cpu: Task, frame: number): void {
    this.maySleep(cpu)
    for (const locked of this.#lockedPages[cpu.id]!) {
      if (locked === frame) broken(`CPU ${cpu.id} waits for the lock of frame ${frame}, which it holds`)
      const [file, index] = this.#placeOf(frame)
      const [otherFile, otherIndex] = this.#placeOf(locked)
      if (file === otherFile && otherIndex < index) continue
      broken(
        `lock order: CPU ${cpu.id} waits for the lock of frame ${frame} and holds that of frame ${locked}`,
      )
    }
  }

  #placeOf(frame: number): [file: number, index: number] {
    const { heap } = this.#machine
    const page = heap[Header.memoryMap]! + frame * PAGE_STRUCT_WORDS
    return [heap[page + Page.mapping]!, heap[page + Page.index]!]
  }

  pageLocked(cpu: Task, frame: number): void {
    this.#lockedPages[cpu.id]!.push(frame)
  }

  pageUnlocked(cpu: Task, frame: number): void {
    const locked = this.#lockedPages[cpu.id]!
    const at = locked.lastIndexOf(frame)
    if (at < 0) broken(`CPU ${cpu.id} unlocks frame ${frame}, which it has not locked`)
    locked.splice(at, 1)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Sleep

  /** `might_sleep`: it comes to where it sleeps if somebody else has what it wants, be that so now or not. */
  maySleep(cpu: Task): void {
    const spinlock = this.#spinlockOf(cpu)
    if (spinlock >= 0) broken(`CPU ${cpu.id} might sleep and holds ${this.#nameOf(spinlock)}`)
    if (cpu.rcuNesting !== 0)
      broken(`CPU ${cpu.id} might be sleeping inside an RCU read-side critical section`)
    if (!cpu.interruptsEnabled) broken(`CPU ${cpu.id} might be sleeping with interrupts disabled`)
  }

  /** It sleeps. */
  sleeping(cpu: Task): void {
    const spinlock = this.#spinlockOf(cpu)
    if (spinlock >= 0) broken(`CPU ${cpu.id} sleeps and holds ${this.#nameOf(spinlock)}`)
  }

  leaving(cpu: Task): void {
    const spinlock = this.#spinlockOf(cpu)
    if (spinlock >= 0) broken(`CPU ${cpu.id} leaves the kernel and holds ${this.#nameOf(spinlock)}`)
    if (!cpu.interruptsEnabled) broken(`CPU ${cpu.id} leaves the kernel with interrupts disabled`)
    if (cpu.rcuNesting !== 0)
      broken(`CPU ${cpu.id} leaves the kernel inside an RCU read-side critical section`)
    const [frame] = this.#lockedPages[cpu.id]!
    // While the host works for it, it may.
    const asleep = this.#machine.heap[cpu.base + PerCpu.asleep] !== 0
    if (frame !== undefined && !asleep)
      broken(`CPU ${cpu.id} leaves the kernel and has locked frame ${frame}`)
  }

  /** The word of a spinlock that the CPU holds, or -1. */
  #spinlockOf(cpu: Task): number {
    for (const lock of this.#held[cpu.id]!) if (lock % LOCK_KINDS === SPINLOCK) return wordOf(lock)
    return -1
  }
}

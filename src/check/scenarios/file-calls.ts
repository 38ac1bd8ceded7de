// Calls on a file on disk that scenarios of several tables make, and the file as these scenarios find it.

import {
  PAGE_SIZE,
  PAGE_WORDS,
  accessDone,
  appendToFile,
  beginAccess,
  callEnter,
  callExit,
  finishCall,
  readFileSize,
  truncateFile,
  writeBytes,
  writeToFile,
} from '../../kernel/index.ts'
import type { Operation } from '../kernel-scenario.ts'
import { type Outcome, outcomeOf, signalOf } from '../scenario-cpu/outcome.ts'
import type { ScenarioCpu } from '../scenario-cpu/index.ts'
import { firstPage } from './pages.ts'

/** A file of so many pages, from 5 on, that is mapped from the first page on and kept open. */
export function mapKeptFile(cpu: ScenarioCpu, pages: number, mapped = Math.max(pages, 1)): void {
  cpu.fillDisk(pages, 5)
  cpu.mapDisk(firstPage, mapped)
  cpu.keepFile(firstPage)
}

/** A frame that the CPU's next page gets, with something of another page in it. */
export function leaveOldFrame(cpu: ScenarioCpu): void {
  const page = firstPage + 16
  cpu.mapPages(page, 1)
  for (const word of [0, 1]) cpu.store(page, 666, word)
  cpu.unmap(page, 1)
}

/** A whole page whose first words are `value` and the one after. */
function wholePage(value: number): Uint8Array {
  const words = new Int32Array(PAGE_WORDS)
  words[0] = value
  words[1] = value + 1
  return new Uint8Array(words.buffer)
}

function inCall(cpu: ScenarioCpu, body: (file: number) => number): Outcome {
  callEnter(cpu.task)
  const result = body(cpu.machine.kept[0]!)
  finishCall(cpu.task)
  callExit(cpu.task)
  return outcomeOf(result)
}

/** Writes a word at the end of the file that is kept open; returns which word of the file it is. */
export function append(value: number): Operation {
  return (cpu) =>
    inCall(cpu, (file) => {
      const error = appendToFile(cpu.task, file, new Uint8Array(Int32Array.of(value).buffer))
      return error !== 0 ? error : cpu.task.appendedAt / 4
    })
}

/** The size of that file in words, of which there are some on its first page, and the last of them. */
export function readTail(page: number): Operation {
  return (cpu) => {
    const words = Number(inCall(cpu, (file) => readFileSize(cpu.task, file))) / 4
    return `${words} words, the last is ${atomicLoad(page, words - 1)(cpu)}`
  }
}

/** write() of a whole page of that file, which has it. */
export function writePage(index: number, value: number): Operation {
  return (cpu) =>
    inCall(cpu, (file) =>
      writeToFile(cpu.task, file, index * PAGE_SIZE, wholePage(value), 0, PAGE_SIZE, false),
    )
}

/** The program overwrites a whole page. */
export function overwrite(page: number, value: number): Operation {
  return (cpu) => {
    try {
      return writeBytes(cpu.task, cpu.mm, page * PAGE_SIZE, wholePage(value), PAGE_SIZE)
    } catch (error) {
      return signalOf(error)
    }
  }
}

/** Gives that file a size of so many words. */
export function truncateTo(words: number): Operation {
  return (cpu) =>
    inCall(cpu, (file) => {
      const pages = Math.ceil(words / PAGE_WORDS)
      const last = pages === 0 ? 0 : (words - (pages - 1) * PAGE_WORDS) * 4
      return truncateFile(cpu.task, file, pages, last)
    })
}

/** The program reads a word of a page atomically, so that it may meet a write. */
export function atomicLoad(page: number, word = 0): Operation {
  return (cpu) => {
    try {
      const at = beginAccess(cpu.task, cpu.mm, page * PAGE_SIZE + word * 4, false)
      const value = Atomics.load(cpu.task.memory.words, at / 4)
      accessDone(cpu.task)
      return value
    } catch (error) {
      return signalOf(error)
    }
  }
}

/** A file of one page, mapped and kept open, that write() has written to: no entry maps the page. */
export function dirtyUnmapped(cpu: ScenarioCpu): void {
  mapKeptFile(cpu, 1)
  writePage(0, 10)(cpu)
}

/** The same, and the page is mapped for reading. */
export function dirtyAndRead(cpu: ScenarioCpu): void {
  dirtyUnmapped(cpu)
  cpu.load(firstPage)
}

/** A file of one page, which each CPU may write to by an old translation. */
export function dirtyAndShared(cpu: ScenarioCpu, all: readonly ScenarioCpu[]): void {
  mapKeptFile(cpu, 1)
  for (const each of all) each.add(firstPage, 1)
}

/** The disk fails at the next page that is written there. */
export function failing(setup: (cpu: ScenarioCpu, all: readonly ScenarioCpu[]) => unknown): SetUp {
  return (cpu, all) => {
    setup(cpu, all)
    cpu.failNext(0, 1)
  }
}

/** fsync, and what is on disk then. */
export const syncedOnDisk: readonly Operation[] = [(cpu) => cpu.syncFile(), (cpu) => cpu.onDisk(0)]

type SetUp = (cpu: ScenarioCpu, all: readonly ScenarioCpu[]) => void

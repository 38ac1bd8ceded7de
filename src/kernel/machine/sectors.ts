// Which sectors of a frame were written since the frame was last all zeros.
//
// Memory that a program gets must be zero, and zeroing 4 KiB that are in no cache costs more than all the rest of a
// fault. Hardware cannot know which part of a frame was ever written; this memory management unit does, because every
// store passes through it. It notes the 128-byte sectors in one word a frame, and only those are zeroed again. A
// sector whose bit is clear is all zeros.
//
// The bit is set before the data is stored. A translation caches the bits that it has set, so that a store to a
// sector that this CPU has written before needs no atomic operation. With ZERO_WRITTEN_SECTORS off, nothing is noted
// and frames are zeroed whole.

import { type Cpu, TLB_MASK } from './cpu.ts'
import { PAGE_WORDS } from './frames.ts'
import { Header } from './header.ts'

const SECTOR_SHIFT = 7
const SECTOR_WORDS = PAGE_WORDS / 32
/** With more sectors than these, one bulk fill of the frame is faster. */
const SECTORS_ONE_BY_ONE = 8

/** Notes that this CPU is about to write at byte `offset` of `frame`, through its translation of `page`. */
export function noteStore(cpu: Cpu, page: number, frame: number, offset: number): void {
  const bit = 1 << (offset >> SECTOR_SHIFT)
  if ((cpu.tlbWritten[page & TLB_MASK] & bit) === 0) noteStoreSlow(cpu, page & TLB_MASK, frame, bit)
}

function noteStoreSlow(cpu: Cpu, slot: number, frame: number, bit: number): void {
  noteWritten(cpu, frame, bit)
  cpu.tlbWritten[slot] |= bit
}

/** Notes that the sectors in `mask` of `frame` are about to be written. */
export function noteWritten(cpu: Cpu, frame: number, mask: number): void {
  if (cpu.config.ZERO_WRITTEN_SECTORS) Atomics.or(cpu.heap, cpu.heap[Header.writtenSectors] + frame, mask)
}

/** The whole of a frame that belongs to this CPU alone is about to be written. */
export function noteWhole(cpu: Cpu, frame: number): void {
  if (cpu.config.ZERO_WRITTEN_SECTORS) cpu.heap[cpu.heap[Header.writtenSectors] + frame] = -1
}

/** The sectors of the bytes [offset, offset + length) of a frame; the length is at least 1. */
export function sectorMask(offset: number, length: number): number {
  const first = offset >> SECTOR_SHIFT
  const last = (offset + length - 1) >> SECTOR_SHIFT
  return (-1 << first) & (-1 >>> (31 - last))
}

/** Makes a frame all zeros. It belongs to this CPU alone. */
export function clearFrame(cpu: Cpu, frame: number): void {
  if (!cpu.config.ZERO_WRITTEN_SECTORS) {
    cpu.memory.zeroFrame(frame)
    return
  }
  const word = cpu.heap[Header.writtenSectors] + frame
  let mask = cpu.heap[word]
  if (mask === 0) return
  cpu.heap[word] = 0
  const { words } = cpu.memory
  for (let sectors = 0; mask !== 0; sectors++) {
    if (sectors === SECTORS_ONE_BY_ONE) {
      cpu.memory.zeroFrame(frame)
      return
    }
    const sector = 31 - Math.clz32(mask & -mask)
    mask &= mask - 1
    const first = frame * PAGE_WORDS + sector * SECTOR_WORDS
    for (let index = first; index < first + SECTOR_WORDS; index++) words[index] = 0
  }
}

/** Copies frame `from` to frame `to`, which belongs to this CPU alone. */
export function copyFrame(cpu: Cpu, to: number, from: number): void {
  // All sectors: another CPU may be writing to the source, and note a sector after this CPU has read the bits.
  noteWhole(cpu, to)
  cpu.memory.copyFrame(to, from)
}

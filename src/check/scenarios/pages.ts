// Pages that the scenarios use: all in one page table, so that a fault need not make one.

import type { ScenarioCpu } from '../scenario-cpu/index.ts'

/** The page that the threads fight for. */
export const firstPage = 0x1000
/** A page of the same mapping that is there from the beginning, so that page table and anon_vma are. */
export const warmPage = firstPage + 1

/** Maps four pages, from the first on; the warm one is there. */
export function fourPages(cpu: ScenarioCpu): void {
  cpu.mapPages(firstPage, 4)
  cpu.store(warmPage, 7)
}

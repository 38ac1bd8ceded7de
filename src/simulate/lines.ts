// Cache lines of the simulated memory.

/** Cells of 4 bytes in a line of 64. */
export const LINE_SHIFT = 4

/** How many lines so many cells are. */
export function linesOf(cells: number): number {
  return (cells + (1 << LINE_SHIFT) - 1) >> LINE_SHIFT
}

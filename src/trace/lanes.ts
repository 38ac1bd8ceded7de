// Which recorded threads share a worker.
import type { RecordedSeat } from './imported-trace.ts'

/** Seats that are taken one after the other, so that one worker does for all of them. */
interface Lane {
  readonly seats: number[]
  operations: number
  free: number
}

/**
 * Puts threads that never lived at the same time into one lane, as a make of many short processes has far fewer of them
 * at a time than in all. A thread that borrowed an address space is where the one is that waits for it meanwhile.
 */
function lanesOf(seats: readonly RecordedSeat[]): Lane[] {
  const lanes: Lane[] = []
  const laneOf: (Lane | undefined)[] = []
  const load = seats.map(({ operations }) => operations)
  // A lender always sits longer than who borrows.
  for (let seat = seats.length - 1; seat >= 0; seat--) {
    const { lender } = seats[seat]!
    if (lender >= 0) load[lender]! += load[seat]!
  }
  for (const [seat, { taken, left, lender }] of seats.entries()) {
    if (load[seat] === 0) continue
    let lane = lender >= 0 ? laneOf[lender] : undefined
    if (lane === undefined) {
      for (const one of lanes)
        if (one.free <= taken && (lane === undefined || one.free > lane.free)) lane = one
      if (lane === undefined) lanes.push((lane = { seats: [], operations: 0, free: 0 }))
      lane.free = left
    }
    lane.seats.push(seat)
    lane.operations += seats[seat]!.operations
    laneOf[seat] = lane
  }
  return lanes
}

/** How many workers recorded threads can keep busy. */
export function busyThreads(seats: readonly RecordedSeat[]): number {
  return lanesOf(replayed(seats)).length
}

function replayed(seats: readonly RecordedSeat[]): RecordedSeat[] {
  return seats.map((seat) => (seat.image < 0 ? { ...seat, operations: 0 } : seat))
}

/**
 * Deals threads out to workers, lane by lane: the busiest first, each to the worker with the least to do.
 * @returns the worker of each seat
 */
export function dealThreads(seats: readonly RecordedSeat[], workers: number): Uint16Array {
  const workerOf = new Uint16Array(seats.length)
  const load = new Float64Array(workers)
  for (const lane of lanesOf(replayed(seats)).toSorted((a, b) => b.operations - a.operations)) {
    let least = 0
    for (let worker = 1; worker < workers; worker++) if (load[worker]! < load[least]!) least = worker
    for (const seat of lane.seats) workerOf[seat] = least
    load[least]! += lane.operations
  }
  return workerOf
}

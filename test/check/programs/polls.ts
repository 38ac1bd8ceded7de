// Threads that poll until another has changed what they look at, in ways that are not one plain loop; and threads that
// give up after a while.

export const overTwo = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      for (;;) {
        let sum = 0
        for (let index = 0; index < 2; index++) sum += Atomics.load(cells, index)
        if (sum === 2) break
      }
    },
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
      Atomics.store(cells, 1, 1)
    },
  ],
}

export const underSequenceCount = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      let value = 0
      let count = 0
      do {
        do {
          count = Atomics.load(cells, 0)
          value = Atomics.load(cells, 1)
        } while ((count & 1) !== 0 || Atomics.load(cells, 0) !== count)
      } while (value !== 7)
    },
    (cells: Int32Array) => {
      Atomics.add(cells, 0, 1)
      Atomics.store(cells, 1, 7)
      Atomics.add(cells, 0, 1)
    },
  ],
}

export const setThenMasked = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      let value = 0
      for (;;) {
        value = Atomics.load(cells, 0)
        value = value & 1
        if (value === 1) break
      }
    },
    (cells: Int32Array) => void Atomics.store(cells, 0, 1),
  ],
}

function answer(cells: Int32Array): void {
  if (Atomics.load(cells, 1) === 1) throw new Error('it gave up')
  Atomics.store(cells, 0, 1)
}

export const countsBySum = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      let turns = 0
      while (Atomics.load(cells, 0) === 0) {
        turns = turns + 1
        if (turns === 5) {
          Atomics.store(cells, 1, 1)
          return
        }
      }
    },
    answer,
  ],
}

/** The count is set where the loop begins, which is no part of a turn. */
export const countsFromHead = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      let turns
      for (turns = 0; Atomics.load(cells, 0) === 0;) {
        turns = turns + 1
        if (turns === 5) {
          Atomics.store(cells, 1, 1)
          return
        }
      }
    },
    answer,
  ],
}

export const hasNoTime = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      if (Atomics.wait(cells, 0, 0, 0) === 'timed-out') Atomics.store(cells, 1, 1)
    },
    answer,
  ],
}

/** Two slots, of which a thread looks for a free one; what it sets when it has found one is no turn's business. */
class Slots {
  readonly #cells: Int32Array
  #mine = -1

  constructor(cells: Int32Array) {
    this.#cells = cells
  }

  acquire(): void {
    while (true) {
      for (let slot = 0; slot < 2; slot++) {
        if (Atomics.compareExchange(this.#cells, slot, 0, 1) === 0) {
          this.#mine = slot
          return
        }
      }
    }
  }

  release(): void {
    Atomics.store(this.#cells, this.#mine, 0)
  }
}

function takesSlot(cells: Int32Array): void {
  const slots = new Slots(cells)
  slots.acquire()
  slots.release()
}

export const overSlots = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [takesSlot, takesSlot, takesSlot],
}

/** The place is set in the turn in which the loop is left. */
export const leavesWithPlace = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      let found = -1
      search: for (;;) {
        for (let place = 0; place < 2; place++) {
          if (Atomics.load(cells, place) !== 0) {
            found = place
            break search
          }
        }
      }
      if (found !== 1) throw new Error('not there')
    },
    (cells: Int32Array) => {
      Atomics.store(cells, 1, 1)
    },
  ],
}

/** Gives up after some turns, which `count` counts. */
const givesUp = (makeCount: () => () => number) => ({
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      const count = makeCount()
      while (Atomics.load(cells, 0) === 0) if (count() > 2) throw new Error('it gave up')
    },
    (cells: Int32Array) => {
      Atomics.store(cells, 0, 1)
    },
  ],
})

export const countsInField = givesUp(() => {
  const counter = { tries: 0 }
  return () => ++counter.tries
})

export const countsInClosure = givesUp(() => {
  let tries = 0
  return () => ++tries
})

export const countsInMap = givesUp(() => {
  const tries = new Map([['all', 0]])
  return () => {
    tries.set('all', tries.get('all')! + 1)
    return tries.get('all')!
  }
})

export const countsInList = givesUp(() => {
  const tries: string[] = []
  return () => tries.push('one')
})

export const countsByGenerator = givesUp(() => {
  function* numbers(): Generator<number, number> {
    for (let number = 1; ; number++) yield number
  }
  const tries = numbers()
  return () => tries.next().value
})

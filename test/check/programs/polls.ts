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

export const hasNoTime = {
  setup: () => new Int32Array(new SharedArrayBuffer(8)),
  threads: [
    (cells: Int32Array) => {
      if (Atomics.wait(cells, 0, 0, 0) === 'timed-out') Atomics.store(cells, 1, 1)
    },
    answer,
  ],
}

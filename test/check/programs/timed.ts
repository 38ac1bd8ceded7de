// Threads that wait with a time-out.

const setup = (): Int32Array => new Int32Array(new SharedArrayBuffer(12))

/** A wait that may have timed out is taken for an answer. */
export const takesTimeForAnswer = {
  setup,
  threads: [
    (cells: Int32Array): void => {
      Atomics.wait(cells, 0, 0, 500)
      if (Atomics.load(cells, 1) !== 42) throw new Error('no answer yet')
    },
    (cells: Int32Array): void => {
      Atomics.store(cells, 1, 42)
      Atomics.store(cells, 0, 1)
      Atomics.notify(cells, 0)
    },
  ],
}

/** A time-out is no answer: the thread looks again. */
export const looksAgain = {
  setup,
  threads: [
    (cells: Int32Array): void => {
      while (Atomics.load(cells, 0) === 0) Atomics.wait(cells, 0, 0, 10)
      if (Atomics.load(cells, 1) !== 42) throw new Error('no answer yet')
    },
    takesTimeForAnswer.threads[1]!,
  ],
}

/** The lock is taken over from whoever has had it for long. */
export const takesOver = {
  setup,
  threads: [1, 2].map((id) => (cells: Int32Array): void => {
    while (Atomics.compareExchange(cells, 0, 0, id) !== 0) {
      const holder = Atomics.load(cells, 0)
      if (holder === 0 || Atomics.wait(cells, 0, holder, 5) !== 'timed-out') continue
      if (Atomics.compareExchange(cells, 0, holder, id) === holder) break
    }
    if (Atomics.add(cells, 1, 1) !== 0) throw new Error('two at once')
    Atomics.sub(cells, 1, 1)
    if (Atomics.compareExchange(cells, 0, id, 0) === id) Atomics.notify(cells, 0, 1)
  }),
}

/** It gives up after some tries, and says so. */
export const givesUp = {
  setup,
  threads: [
    (cells: Int32Array): void => {
      for (let tries = 0; tries < 2; tries++) {
        if (Atomics.wait(cells, 0, 0, 10) !== 'timed-out') return
      }
      Atomics.store(cells, 2, 1)
    },
    (cells: Int32Array): void => {
      Atomics.store(cells, 0, 1)
      Atomics.notify(cells, 0)
      if (Atomics.load(cells, 2) === 1) throw new Error('it gave up')
    },
  ],
}

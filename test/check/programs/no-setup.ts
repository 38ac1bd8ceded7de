// Its setup throws, so that no thread begins.

export default {
  setup: () => {
    throw new RangeError('too large')
  },
  threads: [() => undefined],
}

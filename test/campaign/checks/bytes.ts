// A word that is looked at by single bytes: what is found out when the first thread makes the second view.

const write = (words: Int32Array, value: number): void => {
  const bytes = new Uint8Array(words.buffer)
  for (let index = 0; index < 2; index++) Atomics.store(bytes, index, value)
  if (Atomics.load(bytes, 0) === 0) throw new Error('what was written is gone')
}

export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [(words: Int32Array) => write(words, 1), (words: Int32Array) => write(words, 2)],
}

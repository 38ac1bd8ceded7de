const load = async () => (await import('nanolith')).SharedMap

const add = async (raw) => {
  const map = new (await load())(raw)
  await map.set('n', (n) => Number(n) + 1)
}

export default {
  setup: async () => new (await load())({ n: 0 }).raw,
  threads: [add, add],
  invariant: async (raw) => (await new (await load())(raw).get('n')) === '2',
}

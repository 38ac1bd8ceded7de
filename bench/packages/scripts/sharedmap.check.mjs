import SharedMap from 'sharedmap'

export default {
  setup: () => {
    const map = new SharedMap(4, 4, 4)
    map.set('a', '1')
    return map
  },
  threads: [
    (map) => map.set('a', '2'),
    (map) => {
      const value = map.get('a')
      if (value !== '1' && value !== '2') throw new Error(value)
    },
  ],
  invariant: (map) => map.get('a') === '2' && map.length === 1,
}

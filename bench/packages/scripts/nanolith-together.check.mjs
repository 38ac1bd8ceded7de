import { SharedMap } from 'nanolith'

export default {
  setup: () => new SharedMap({ n: 0 }),
  threads: [
    async (map) => {
      await Promise.all([map.set('n', '1'), map.set('n', '2')])
    },
  ],
}

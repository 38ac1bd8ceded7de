// What a stepped program has of `node:timers`.

import * as promises from './timers-promises.ts'
import {
  clearImmediate,
  clearInterval,
  clearTimeout,
  setImmediate,
  setInterval,
  setTimeout,
} from './timers.ts'

export { clearImmediate, clearInterval, clearTimeout, promises, setImmediate, setInterval, setTimeout }

export default {
  clearImmediate,
  clearInterval,
  clearTimeout,
  promises,
  setImmediate,
  setInterval,
  setTimeout,
}

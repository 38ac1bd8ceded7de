import assert from 'node:assert/strict'
import { Writable } from 'node:stream'

export default async ({ expected }) => {
  let text = ''
  return new Writable({
    autoDestroy: true,
    write(chunk, encoding, done) {
      text += chunk
      done()
    },
    final(done) {
      assert.equal(text, expected)
      done()
    },
  })
}

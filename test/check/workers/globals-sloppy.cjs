// Code that is not strict.
exports.ways = {
  this: function () {
    return this.mark
  },
  plain: () =>
    (function () {
      return this
    })().mark,
  sloppy: () => mark,
}
exports.put = () => {
  delete globalThis.mark
  mark = 'put'
  self = this
}

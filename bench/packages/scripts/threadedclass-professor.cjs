exports.Professor = class {
  constructor(n) {
    this.n = n
  }

  add(n) {
    return this.n + n
  }
}

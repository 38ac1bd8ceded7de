const multee = require('multee')('worker')

const answer = multee.createHandler('answer', () => 42)

module.exports = () => {
  const worker = multee.start(__filename)
  return { answer: answer(worker), worker }
}

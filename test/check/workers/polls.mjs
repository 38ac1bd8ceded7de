// What a timer does is waited for by looking again and again: by intervals, and by immediates that follow each other.
let isDone = false
let count = 0
setTimeout(() => (isDone = true), 20)
const interval = setInterval(() => {
  if (!isDone) return
  clearInterval(interval)
  isDone = false
  setTimeout(() => (isDone = true), 20)
  setImmediate(poll)
}, 1)

function poll() {
  if (!isDone) return setImmediate(poll)
  // One that counts fires as often as it has to.
  const counting = setInterval(() => {
    if (++count < 3) return
    clearInterval(counting)
    report('over')
  }, 1)
}

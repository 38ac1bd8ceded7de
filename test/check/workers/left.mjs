// What a process does before it ends by itself. Who starts it prints what was told when it hears of that end: before
// this does.
let turns = 0
const told = []
report(told)
process.on('beforeExit', () => {
  if (++turns < 3) setTimeout(() => told.push(turns), 1)
})
process.prependListener('exit', (code) => told.push('exit', code, turns))

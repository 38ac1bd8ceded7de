// Who leaves while it is told of the end is not told again.

process.on('exit', () => process.exit())
report('leaves')
process.exit(0)

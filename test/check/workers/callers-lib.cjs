// As packages do that take a path for one from the file of their caller.
exports.callers = () => {
  const prepare = Error.prepareStackTrace
  Error.prepareStackTrace = (_, frames) => frames
  const { stack } = new Error()
  Error.prepareStackTrace = prepare
  return stack.slice(1).map((frame) => [frame.getFileName() ?? '', frame.getLineNumber()])
}

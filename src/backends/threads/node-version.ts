// Imported first by whatever a user begins with: an older Node is refused in words, and not by what it lacks.

const OLDEST = 24
// In a browser there is no process, or what a bundler puts in its place, which lacks most of it.
const host = globalThis.process as { versions?: { node?: string } } | undefined
const version = host?.versions?.node ?? String(OLDEST)

if (!(Number.parseInt(version, 10) >= OLDEST)) {
  const error = new Error(`faultline needs Node ${OLDEST} or newer, and this is Node ${version}`)
  // Not to be printed beside the message.
  Object.defineProperty(error, 'code', { value: 'ERR_FAULTLINE_NODE_VERSION' })
  error.stack = `${error.name}: ${error.message}`
  throw error
}

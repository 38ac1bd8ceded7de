// Imported first by whatever a user begins with: an older Node is refused in words, and not by what it lacks.

/** Since this one, modules can be hooked where they are loaded (`registerHooks`), and zstd can be read. */
const OLDEST = [22, 15] as const
// In a browser there is no process, or what a bundler puts in its place, which lacks most of it.
const host = globalThis.process as { versions?: { node?: string } } | undefined
const version = host?.versions?.node ?? OLDEST.join('.')
const [major, minor] = version.split('.').map(Number) as [number, number]

if (!(major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]))) {
  const error = new Error(`faultline needs Node ${OLDEST.join('.')} or newer, and this is Node ${version}`)
  // Not to be printed beside the message.
  Object.defineProperty(error, 'code', { value: 'ERR_FAULTLINE_NODE_VERSION' })
  error.stack = `${error.name}: ${error.message}`
  throw error
}

// Node 22 has no Atomics.pause. It is a hint to the processor that a loop spins, and does nothing else.
const atomics = Atomics as { pause?: () => void }
atomics.pause ??= (): void => undefined

/**
 * The error that disposal throws for two: one that was thrown there, and one that was thrown before. Node 22 has no
 * SuppressedError; compilers of `using` put an Error with its name and its fields in its place there.
 */
export function suppressed(error: unknown, before: unknown): Error {
  const { SuppressedError } = globalThis as unknown as {
    SuppressedError?: new (error: unknown, suppressed: unknown) => Error
  }
  if (SuppressedError !== undefined) return new SuppressedError(error, before)
  return Object.assign(new Error('An error was suppressed during disposal.'), {
    name: 'SuppressedError',
    error,
    suppressed: before,
  })
}

// Whether this thread can be a CPU: it has to sleep in the kernel, on words that it shares.

import { ConfigurationError } from './errors.ts'

/** Throws a ConfigurationError where there is no shared memory, or this thread may not wait: in pages of browsers. */
export function assertMayWait(): void {
  if (typeof SharedArrayBuffer === 'undefined')
    throw new ConfigurationError(
      'no memory can be shared here: the page has to be cross-origin isolated, by the headers ' +
        'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
    )
  try {
    // It does not wait, as the word is not 1; where it might not, it throws all the same.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1)
  } catch (error) {
    const message =
      'this thread may not wait (Atomics.wait): the page itself cannot use a machine, its workers can'
    throw new ConfigurationError(message, { cause: error })
  }
}

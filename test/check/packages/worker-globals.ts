// What a package for workers of browsers expects to find: `self`, and a type of the browser. Imported before it.

;(globalThis as { self?: unknown }).self ??= globalThis

declare global {
  interface FetchEvent {
    readonly request: Request
    respondWith(response: Promise<Response>): void
  }
}

/** A scenario of such a package; to be given it is what makes sure that this module runs first. */
export function inWorkers<T>(description: T): T {
  return description
}

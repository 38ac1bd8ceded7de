// What the runtime asks of where it runs: Node answers when it loads a program (load.ts). A page, in which no code
// comes up that the transform has not seen, needs no answers.

import type { Site } from './sites.ts'

export interface SteppedHost {
  /** The innermost place of a stepped program on the stack; `otherwise` stands for a file where there is none. Slow. */
  currentPlace(what: string, otherwise: string): Site
  /** The places of stepped programs on a stack, the innermost first; none where it is not known. Slow. */
  placesOfStack(stack: string): readonly Site[]
  /** It is a thread of this host, to which messages can be sent. */
  isWorker(value: unknown): boolean
  /** What it makes are such threads. */
  makesWorkers(constructor: Function): boolean
  /** A value in words, for a message. */
  inspect(value: unknown): string
  /** The folder of the package that a function is of which is not stepped; null where it is of none. Slow. */
  packageOf(called: object): string | null
  /** Programs are run that may ask for their stack: it is to be there. */
  areFilesShown(): boolean
}

let host: SteppedHost = {
  currentPlace: (what, otherwise) => ({
    file: otherwise,
    line: 1,
    column: 1,
    function: '(anonymous)',
    what,
    source: what,
  }),
  placesOfStack: () => [],
  isWorker: () => false,
  makesWorkers: () => false,
  inspect: (value) => JSON.stringify(value) ?? String(value),
  packageOf: () => null,
  areFilesShown: () => false,
}

export function setHost(value: SteppedHost): void {
  host = value
}

export function steppedHost(): SteppedHost {
  return host
}

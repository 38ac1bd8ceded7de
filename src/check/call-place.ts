// Where a call stands in the files of the user, as the stack tells it, and what it is called by.

import { fileURLToPath, pathToFileURL } from 'node:url'

/** A frame of the stack in a file of the user. */
export interface CallFrame {
  /** The address of the file. */
  readonly url: string
  readonly line: number
}

/** As it is built, and as source maps have it. */
const own = ['../../src/', '../../dist/'].map((folder) => new URL(folder, import.meta.url).href)
const FRAMES_MAX = 200
const framePattern = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^\s()]*?):(\d+):(\d+)\)?$/

/** The part of a function in its steppable form that can go on in the middle: the next frame is the same function's. */
const resumed = /^\s*at (?:\S+\.)?\$resume \(/

/** The frames of the stack that stand in files of the user, the innermost first. */
export function userFrames(): CallFrame[] {
  return stackPlaces((url, line) => ({ url, line }))
}

/** The same, told by `tell`. */
export function stackPlaces<Frame>(tell: (url: string, line: number, column: number) => Frame): Frame[] {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES_MAX
  const { stack = '' } = new Error('where')
  Error.stackTraceLimit = stackTraceLimit
  const frames: Frame[] = []
  let isPart = false
  for (const text of stack.split('\n')) {
    const [, path, line, column] = framePattern.exec(text) ?? []
    if (path === undefined) continue
    const url = path.startsWith('file:') ? path : pathToFileURL(path).href
    if (own.some((folder) => url.startsWith(folder)) || url.includes('/node_modules/')) continue
    if (!isPart) frames.push(tell(url, Number(line), Number(column)))
    isPart = resumed.test(text)
  }
  return frames
}

/** As people read it. */
export function placeText({ url, line }: CallFrame): string {
  return `${fileURLToPath(url)}:${line}`
}

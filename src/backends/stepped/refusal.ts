// What is thrown in the middle of a program that cannot go on: where it comes to what cannot be stepped, and where its
// time is up.

/** Code that cannot be run one access at a time, with the place and what to do about it. */
export class SteppingRefused extends Error {
  override readonly name = 'SteppingRefused'
  /** Path of the file. */
  readonly file: string
  readonly line: number
  readonly remedy: string

  constructor(file: string, line: number, problem: string, remedy: string) {
    super(`${file}:${line}: ${problem}; ${remedy}`)
    this.file = file
    this.line = line
    this.remedy = remedy
  }
}

/** The time that a program was given is over, and it is in a loop. */
export class TimeUp extends Error {
  override readonly name = 'TimeUp'
  /** Path of the file. */
  readonly file: string
  readonly line: number
  /** What stands there. */
  readonly source: string
  /** The thread that was in it; -1 if none was. */
  readonly thread: number
  readonly remedy = 'let the loop end, or give more time'

  constructor(file: string, line: number, source: string, thread: number) {
    super(`the time was up in the loop ${source}`)
    this.thread = thread
    this.file = file
    this.line = line
    this.source = source
  }
}

/** A thread is in a loop, and what the execution shows is known. Nobody gets it but a program that catches all. */
export class Decided extends Error {
  override readonly name = 'Decided'
}

/** A thread has a choice between events: everything begins again, with a thread of ours that makes it. */
export class ChoicesNeeded extends Error {
  override readonly name = 'ChoicesNeeded'
  override readonly message = 'no error of the program: the check begins anew, with choices between events'
}

/** Something that a program loads while it runs. */
export interface ScriptRequest {
  /** The address of the module that asks; of a Worker's script and of a package, of none. */
  readonly from: string
  /** As it is written there; of a Worker's script, its address or text; of a package, the address of its folder. */
  readonly specifier: string
  readonly kind: 'import' | 'require' | 'worker' | 'eval' | 'package'
}

/** A thread loads, or calls, what is not part of the program yet: that is loaded anew, with it. */
export class ScriptNeeded extends Error {
  override readonly name = 'ScriptNeeded'
  readonly request: ScriptRequest

  constructor(request: ScriptRequest) {
    super(`the program has to be loaded anew, with ${request.specifier}`)
    this.request = request
  }
}

/** What was taken to be over when it returns is not: everything begins again, with a thread that runs it. */
export class TurnsNeeded extends Error {
  override readonly name = 'TurnsNeeded'
  override readonly message = 'no error of the program: the check begins anew, and waits'
}

/** Somebody has read a field that was thought to be only counted in: everything begins again, with one that counts. */
export class CountRead extends Error {
  override readonly name = 'CountRead'
  readonly field: string

  constructor(field: string) {
    super('no error of the program: the check begins anew, with a count that is read')
    this.field = field
  }
}

/** A thread is started for which there is no record: everything begins again, with one more. */
export class ThreadsNeeded extends Error {
  override readonly name = 'ThreadsNeeded'
  override readonly message = 'no error of the program: the check begins anew, with one more thread'
}

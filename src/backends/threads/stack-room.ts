// Room on the stack, made sure of before the kernel is entered.
//
// Where the recursion of a program uses its stack up, the engine throws a RangeError out of whatever function is called
// next. In the middle of the kernel that would leave locks held. Therefore every call and access begins with a function
// whose frame is as large as all that the kernel may need below it: where there is less room, the error comes there,
// before anything has happened, and the program can catch it and go on.
//
// V8 checks the stack on entry to a function, and against the frame that the function has when it is interpreted, also
// where it runs optimised code (since it may have to go back). So a function with many registers asks for much room and
// costs nothing but a call. It must not be inlined, since the check on entry is what it is for: V8 inlines no function
// whose bytecode is longer than 460 bytes (--max-inlined-bytecode-size).

/**
 * Registers of eight bytes each: 48 KiB. The deepest call that was found, a fault that has to reclaim and to write to
 * the disk, fails with 1,200 registers and not with 2,500, interpreted.
 */
const REGISTERS = 6144
/** Of a call of several steps, each of which asks anew, and between which Node is at work: 128 KiB. */
const REGISTERS_FOR_STEPS = 16_384

/** Of each call in what makes the registers: V8 asks for the room of the longest list again. */
const ARGUMENTS = 256

/** Throws the engine's RangeError when there is not enough room on the stack to enter the kernel. */
export const assureStackRoom: () => void = makeProbe(REGISTERS)

/**
 * The same for calls that enter the kernel several times, or keep something for a thread: they are done whole, or not
 * at all.
 */
export const assureRoomForSteps: () => void = makeProbe(REGISTERS_FOR_STEPS)

/**
 * A register holds each argument of a call until all are there. Names of as many variables would do too, but every
 * thread makes these functions as it loads, and names take ten times as long. Here the first argument of all throws
 * whatever happens, so no code is made for the others: none of it is ever run, and what counts is what it would need.
 */
function makeProbe(count: number): () => void {
  const values = '0,'.repeat(ARGUMENTS - 1)
  const calls = count / ARGUMENTS
  const nested = `${values}x(`.repeat(calls) + ')'.repeat(calls)
  const bulk = Array.from({ length: 200 }, (_, index) => `x = x * 3 + ${index + 1000}`)
  const body = `if (x !== undefined) { ${bulk.join(';')}; x(x() = 0, ${nested}) }`
  try {
    // oxlint-disable-next-line no-new-func -- the arguments would fill a file
    return new Function('x', body) as () => void
  } catch {
    // Where no code may be made from strings: frames of about 100 bytes.
    return () => recurse((count * 8) / 100)
  }
}

function recurse(depth: number): number {
  return depth <= 0 ? 0 : recurse(depth - 1) + 1
}

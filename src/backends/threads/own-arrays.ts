// Arrays of the kernel's own. Inside the kernel a call of a typed array's method (`heap.fill`) leads to a prototype
// that a program may change. A replaced method would run in the middle of a call, with locks held, and nothing would
// catch its exceptions. So the arrays that the kernel of this backend works on have prototypes of their own, with the
// methods as they were when this module was loaded, and no program can change these. It costs nothing: each place of
// the kernel still sees arrays of one kind.

import { PAGE_SIZE, PhysicalMemory, type SharedMemory, viewOf } from '../../kernel/index.ts'

const { getPrototypeOf, setPrototypeOf, values } = Object
const typedArray = getPrototypeOf(Uint8Array.prototype) as object
const plainWords = Int32Array.prototype

/** Copies all properties of typed arrays, as they are now, to the prototype of a class, and freezes it. */
function settle(prototype: object): void {
  for (const key of Reflect.ownKeys(typedArray)) {
    if (!Object.hasOwn(prototype, key))
      Object.defineProperty(prototype, key, Object.getOwnPropertyDescriptor(typedArray, key)!)
  }
  Object.freeze(prototype)
}

export class OwnBytes extends Uint8Array<ArrayBufferLike> {}
export class OwnWords extends Int32Array<ArrayBufferLike> {}
settle(OwnBytes.prototype)
settle(OwnWords.prototype)

const setBytes = Function.prototype.call.bind(Uint8Array.prototype.set) as (
  target: Uint8Array,
  source: Uint8Array,
  start: number,
) => void

/** A power of two: how many arrays of frames a thread keeps, of some hundred bytes each. */
const FRAME_VIEWS = 4096

/** Memory whose arrays are the kernel's own. It may be copied to arrays of a program. */
export class OwnMemory extends PhysicalMemory {
  /** A storage gets these arrays, so no property that it may have set on them is used. */
  readonly #frames: (Uint8Array | undefined)[] = Array.from({ length: FRAME_VIEWS })
  readonly #frameAt = new Int32Array(FRAME_VIEWS).fill(-1)

  constructor(memory: SharedMemory) {
    super(memory, new OwnBytes(memory.buffer), new OwnWords(memory.buffer))
  }

  override copyOut(from: number, length: number, target: Uint8Array, start: number): void {
    const whole = length === PAGE_SIZE && from % PAGE_SIZE === 0
    setBytes(target, whole ? this.frameBytes(from / PAGE_SIZE) : viewOf(this.bytes, from, length), start)
  }

  /** The bytes of a frame: making an array each time would take longer than to copy it. */
  frameBytes(frame: number): Uint8Array {
    const place = frame & (FRAME_VIEWS - 1)
    if (this.#frameAt[place] !== frame) {
      this.#frames[place] = viewOf(this.bytes, frame * PAGE_SIZE, PAGE_SIZE)
      this.#frameAt[place] = frame
    }
    return this.#frames[place]!
  }
}

/** Makes the arrays of words among the fields of `holder`, which the kernel has made, arrays of its own. */
export function ownFields(holder: object): void {
  const fields = values(holder)
  for (let index = 0; index < fields.length; index++) {
    const value = fields[index] as object
    if (typeof value === 'object' && value !== null && getPrototypeOf(value) === plainWords)
      setPrototypeOf(value, OwnWords.prototype)
  }
}

// Names that mean something to the stepped backend: operations of `Atomics`, and methods of the engine that read many
// elements or call back.

/** Operations of `Atomics` that are steps, and the number of their arguments. */
export const operations: ReadonlyMap<string, number> = new Map([
  ['load', 2],
  // Those of racy(), which `Atomics` has not: see racy.ts.
  ['loadRacy', 2],
  ['storeRacy', 3],
  ['store', 3],
  // Those of async functions and of event loops, which it has not either: see async-syntax.ts and loop/.
  ['asyncRun', 2],
  ['awaits', 2],
  ['asyncGenerate', 2],
  ['runGenerator', 4],
  ['yields', 2],
  ['delegates', 2],
  ['idle', 3],
  ['leaveQueue', 2],
  // Those of threads that end, themselves or others: see loop/worker.ts.
  ['exitThread', 2],
  ['stopThread', 3],
  ['add', 3],
  ['sub', 3],
  ['and', 3],
  ['or', 3],
  ['xor', 3],
  ['exchange', 3],
  ['compareExchange', 4],
  ['wait', 4],
  ['waitAsync', 4],
  ['notify', 3],
  ['pause', 0],
])

export function isOperation(name: string): boolean {
  return operations.has(name)
}

/** Methods of typed arrays that read or write many elements. */
export const bulkMethods: ReadonlySet<string> = new Set(
  (
    'fill set copyWithin reverse sort subarray slice at with indexOf lastIndexOf includes join map filter forEach ' +
    'every some find findIndex findLast findLastIndex reduce reduceRight toReversed toSorted entries values keys'
  ).split(' '),
)

/** Methods of a DataView that read or write. */
export const viewMethod = /^[gs]et(Ui|I)nt(8|16|32)$|^[gs]et(Float(16|32|64)|Big(Ui|I)nt64)$/

/** Methods of arrays, maps and sets whose callbacks the runtime calls itself, so that they can stop. */
const callbackMethods: ReadonlySet<string> = new Set(
  (
    'forEach map filter some every find findIndex findLast findLastIndex reduce reduceRight flatMap ' +
    'sort toSorted'
  ).split(' '),
)

/** Methods, of what else than `Array`, whose second argument is such a callback. */
export const callsSecond = /^(replace|replaceAll|groupBy)$/

export function stepsCallbacks(name: string): boolean {
  return callbackMethods.has(name)
}

/** What begins the names under which the steppable form knows the runtime. */
export const RUNTIME = '$f'
/** What begins the names of the functions of the runtime; functions that are stepped have it in their text. */
export const HELPER = `${RUNTIME}_`

/** Methods and functions of the engine that change what they are called on or given, or something outside. */
export const changingMethod = new RegExp(
  '^(push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|set|add|delete|clear|next|return|throw|' +
    'assign|defineProperty|defineProperties|setPrototypeOf|deleteProperty|apply|construct|' +
    'set(Ui|I)nt(8|16|32)|set(Float(16|32|64)|Big(Ui|I)nt64)|' +
    'postMessage|receiveMessageOnPort|emit|dispatchEvent|write|send)$',
)

/**
 * Methods and functions of the engine that change nothing. Of what else the program does not have, nobody knows: each
 * call of that counts as a change.
 */
export const harmlessMethod = new RegExp(
  '^(is.*|abs|max|min|floor|ceil|round|trunc|sign|imul|clz32|sqrt|pow|keys|values|entries|at|get|has|hasOwn|' +
    'includes|indexOf|lastIndexOf|slice|subarray|concat|join|map|filter|forEach|some|every|find.*|reduce.*|flat.*|' +
    'to[A-Z].*|char.*|codePointAt|startsWith|endsWith|split|trim.*|pad.*|of|log|warn|error|info|debug|now|hrtime|' +
    'random|getOwn.*|getPrototypeOf|create|stringify|parse|parseInt|parseFloat|structuredClone|bind|String|Number|' +
    'Boolean|BigInt|Symbol|.*Error|assert.*|ok|equal|strictEqual|deepStrictEqual|notEqual|get(Ui|I)nt.*|' +
    'get(Float|Big).*|get(UTC)?(FullYear|Month|Date|Day|Hours|Minutes|Seconds|Milliseconds)|getTime|valueOf|' +
    'repeat|substr|substring|normalize|localeCompare|getRandomValues|randomUUID|load|store|wait|notify|pause)$',
)

/** Classes of the engine whose objects have no memory of what they are given, and are no others in disguise. */
export const makesOwn = /^((Weak)?(Map|Set)|Array|Date|RegExp|.*Error)$/

/** Names of the engine for what happens later, which loop/ has too. */
export const modelledNames: readonly string[] = (
  'Promise queueMicrotask setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate ' +
  'MessageChannel MessagePort BroadcastChannel EventTarget AbortController AbortSignal WebAssembly'
).split(' ')

// Packages that are not stepped, since they have nothing to do with shared memory, until one is given some: then the
// program is loaded anew, with that package stepped.

import { Session } from 'node:inspector'
import { isPackaged, packageOf } from './resolve.ts'
import { QUERY } from './sites.ts'

interface Described {
  readonly result: { readonly objectId?: string }
  readonly internalProperties?: readonly {
    readonly name: string
    readonly value?: { readonly value?: { readonly scriptId?: string } }
  }[]
}

const HELD = Symbol.for('faultline.called')
const held = globalThis as { [HELD]?: unknown }

/** To ask takes half a millisecond. */
const answers = new WeakMap<object, string | null>()

/** The folder of the package that a function which is not stepped is of; null where it is of none. */
export function packageOfFunction(called: object): string | null {
  const known = answers.get(called)
  if (known !== undefined) return known
  const found = lookFor(called)
  answers.set(called, found)
  return found
}

function lookFor(called: object): string | null {
  const url = scriptOf(called) ?? ''
  if (url.includes(QUERY) || url.startsWith('node:')) return null
  const address = url.startsWith('file:') ? url : `file://${url}`
  return isPackaged(address) ? packageOf(address) : null
}

/** The address of the script in which a function stands, as only the engine's inspector tells. */
function scriptOf(called: unknown): string | null {
  const session = new Session()
  const scripts = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url))
  session.connect()
  held[HELD] = called
  try {
    session.post('Debugger.enable')
    const expression = `globalThis[Symbol.for('faultline.called')]`
    const { result } = ask(session, 'Runtime.evaluate', { expression })
    const { internalProperties = [] } = ask(session, 'Runtime.getProperties', { objectId: result.objectId })
    const place = internalProperties.find(({ name }) => name === '[[FunctionLocation]]')
    return scripts.get(place?.value?.value?.scriptId ?? '') ?? null
  } finally {
    delete held[HELD]
    session.disconnect()
  }
}

/** It answers before it returns. */
function ask(session: Session, method: string, params: object): Described {
  let described: Described | null = null
  session.post(method, params, (_: Error | null, found?: object) => {
    described = found as Described
  })
  return described!
}

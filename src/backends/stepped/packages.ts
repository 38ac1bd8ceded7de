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

/** The folder of the package that a function which is not stepped is of; null where it is of none. */
export function packageOfFunction(called: object): string | null {
  const url = scriptOf(called) ?? ''
  if (url.includes(QUERY) || url.startsWith('node:')) return null
  const address = url.startsWith('file:') ? url : `file://${url}`
  return isPackaged(address) ? packageOf(address) : null
}

/** Addresses of scripts, by the engine's numbers, as they were when it last told all of them. */
let addresses: ReadonlyMap<string, string> = new Map()

/** The address of the script in which a function stands, as only the engine's inspector tells. */
function scriptOf(called: unknown): string | null {
  const session = new Session()
  session.connect()
  held[HELD] = called
  try {
    const expression = `globalThis[Symbol.for('faultline.called')]`
    const { result } = ask(session, 'Runtime.evaluate', { expression })
    const { internalProperties = [] } = ask(session, 'Runtime.getProperties', { objectId: result.objectId })
    const place = internalProperties.find(({ name }) => name === '[[FunctionLocation]]')
    const number = place?.value?.value?.scriptId
    if (number === undefined) return null
    if (!addresses.has(number)) addresses = allAddresses(session)
    return addresses.get(number) ?? null
  } finally {
    delete held[HELD]
    session.disconnect()
  }
}

/** To tell them, the engine reads the text of each: 0.1 s for some hundreds. */
function allAddresses(session: Session): ReadonlyMap<string, string> {
  const told = new Map<string, string>()
  session.on('Debugger.scriptParsed', ({ params }) => told.set(params.scriptId, params.url))
  session.post('Debugger.enable')
  return told
}

/** It answers before it returns. */
function ask(session: Session, method: string, params: object): Described {
  let described: Described | null = null
  session.post(method, params, (_: Error | null, found?: object) => {
    described = found as Described
  })
  return described!
}

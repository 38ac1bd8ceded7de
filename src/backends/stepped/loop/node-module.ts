// What a stepped program has of `node:module`.

import native from 'node:module'
import { pathToFileURL } from 'node:url'
import { host } from './host.ts'
import { newRequire } from './module-objects.ts'
import { requireModule } from './modules.ts'

export const builtinModules = native.builtinModules
export const findPackageJSON = native.findPackageJSON
export const findSourceMap = native.findSourceMap
export const isBuiltin = native.isBuiltin
export const register = native.register
export const registerHooks = native.registerHooks
export const stripTypeScriptTypes = native.stripTypeScriptTypes

export function createRequire(from: string | URL): unknown {
  const text = String(from)
  const url = text.startsWith('file:') ? text : pathToFileURL(text).href
  const own = host.isThread() ? null : native.createRequire(from)
  const required = (specifier: string): unknown =>
    own === null || native.isBuiltin(specifier) ? requireModule(specifier, url) : own(specifier)
  return newRequire(url, required, undefined)
}

const all = {
  builtinModules,
  createRequire,
  findPackageJSON,
  findSourceMap,
  isBuiltin,
  register,
  registerHooks,
}

export default Object.assign(Object.create(native) as object, all, { stripTypeScriptTypes })

// What the function of a module is given: see ../thread-form.ts. It is not stepped.

import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ThreadCode } from '../thread-modules.ts'
import { host } from './host.ts'

type Namespace = Record<string, unknown>

/** The namespace of a module that has not run yet: whoever asks for something in it is told so. */
export function publishing({ exports, url }: ThreadCode): Namespace {
  const namespace = Object.create(null) as Namespace
  Object.defineProperty(namespace, Symbol.toStringTag, { value: 'Module' })
  for (const name of exports) {
    const get = (): never =>
      host.refuse(
        `'${name}' of ${fileURLToPath(url)} is used before that module has run`,
        'let modules that import each other use nothing of the other before both have run',
      )
    Object.defineProperty(namespace, name, { get, enumerable: true, configurable: true })
  }
  return namespace
}

/** What a module is given of itself. */
export interface Own {
  readonly meta: ImportMeta
  $publish(name: string, get: () => unknown): void
  $publishAll(from: Namespace): void
}

export function newMeta(url: string, namespace: Namespace, main: boolean): Own {
  const filename = fileURLToPath(url)
  const dirname = fileURLToPath(new URL('.', url)).replace(/[\\/]$/, '')
  const meta = {
    url,
    filename,
    dirname,
    main,
    resolve: (specifier: string): string =>
      /^\.|^file:/.test(specifier)
        ? new URL(specifier, url).href
        : pathToFileURL(createRequire(url).resolve(specifier)).href,
  }
  const define = (name: string, get: () => unknown): void => {
    Object.defineProperty(namespace, name, { get, enumerable: true, configurable: true })
  }
  return {
    meta: meta as unknown as ImportMeta,
    $publish: define,
    $publishAll(from) {
      for (const name of Object.keys(from))
        if (name !== 'default' && !(name in namespace)) define(name, () => from[name])
    },
  }
}

const natives = new Map<string, NodeJS.Require>()

/** `require` of a module, with what else it has. */
export function newRequire(
  url: string,
  required: (specifier: string) => unknown,
  main: object | undefined,
): NodeJS.Require {
  let native = natives.get(url)
  if (native === undefined) natives.set(url, (native = createRequire(url)))
  const { resolve, cache, extensions } = native
  return Object.assign(required, { resolve, cache, extensions, main }) as NodeJS.Require
}

// Builds programs in their steppable form into a page: the transform runs here, once, and a browser only loads modules.
//
// `import { library, … } from 'stepped:NAME'` gives what the entries of a program export, after its places are known to
// the runtime. The modules of a program import the runtime that the page imports too: there is one.

import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Plugin } from 'vite'
import type { SteppedForm } from '../src/backends/stepped/cache.ts'
import { type LoadOptions, steppedForm } from '../src/backends/stepped/load.ts'
import { MAP } from '../src/backends/stepped/sites.ts'

export interface SteppedSource {
  /** Modules by the names under which the page gets what they export, as paths within the checkout. */
  readonly entries: Readonly<Record<string, string>>
  readonly options: LoadOptions
}

const PREFIX = 'stepped:'
const root = new URL('../', import.meta.url)
const stepped = new URL('src/backends/stepped/', root)

/** `programs` by name; `replaced` are modules of the checkout in whose place the page has others, as paths. */
export function steppedPlugin(
  programs: Readonly<Record<string, SteppedSource>>,
  replaced: Readonly<Record<string, string>>,
): Plugin {
  const forms = new Map<string, Promise<SteppedForm>>()
  const formOf = (name: string): Promise<SteppedForm> => {
    const { entries, options } = programs[name]!
    const urls = Object.values(entries).map((path) => new URL(path, root))
    const form = forms.get(name) ?? steppedForm(urls, options)
    forms.set(name, form)
    return form
  }
  const inPlaceOf = new Map(
    Object.entries(replaced).map(([from, to]) => [pathOf(new URL(from, root)), pathOf(new URL(to, root))]),
  )
  return {
    name: 'stepped',
    enforce: 'pre',
    async resolveId(source, importer = '') {
      if (source.startsWith(PREFIX)) return `\0${source}`
      const [, name, own] = /^\0stepped:([^!]+)!(.*)$/.exec(importer) ?? []
      if (name !== undefined) {
        const target = (await formOf(name)).modules.get(own!)?.imports.get(source)
        if (target !== undefined) return `\0${PREFIX}${name}!${target}`
      }
      if (source.startsWith('file:')) return pathOf(new URL(source))
      if (!source.startsWith('.') || !importer.startsWith('/')) return null
      return inPlaceOf.get(pathOf(new URL(source, pathToFileURL(importer)))) ?? null
    },
    async load(id) {
      if (!id.startsWith(`\0${PREFIX}`)) return null
      const [name = '', part] = id.slice(PREFIX.length + 1).split('!')
      const form = await formOf(name)
      if (part === undefined) return programModule(name)
      if (part === 'sites') return sitesModule(form)
      if (part === 'library') return `export * from ${literal(`${PREFIX}${name}!${libraryOf(form)}`)}`
      if (part === 'entries') return entriesModule(name, programs[name]!)
      const text = form.texts.get(part)!
      return { code: text.slice(0, text.lastIndexOf(MAP)), map: { mappings: '' } }
    },
  }
}

/** The library is told to the runtime before the code of the other modules runs. */
function programModule(name: string): string {
  const part = (what: string): string => literal(`${PREFIX}${name}!${what}`)
  return `import { setLibrary, setSites } from ${literal(pathOf(new URL('runtime.ts', stepped)))}
import { sites } from ${part('sites')}
export { sites }
setSites(sites)
setLibrary(sites, await import(${part('library')}))
export const entries = await import(${part('entries')})
`
}

/** Paths are those within the checkout: a page tells nothing of the machine that it was built on. */
function sitesModule({ sites }: SteppedForm): string {
  const base = pathOf(root)
  const relative = sites.map((site) => ({ ...site, file: site.file.replace(base, '') }))
  return `export const sites = JSON.parse(${literal(JSON.stringify(relative))})`
}

function entriesModule(name: string, { entries }: SteppedSource): string {
  const lines = Object.entries(entries).map(
    ([key, path]) =>
      `export { default as ${key} } from ${literal(`${PREFIX}${name}!${new URL(path, root).href}`)}`,
  )
  return lines.join('\n')
}

function libraryOf({ modules }: SteppedForm): string {
  const library = new URL('library.ts', stepped).href
  if (!modules.has(library)) throw new Error('a program has no library')
  return library
}

function literal(text: string): string {
  return JSON.stringify(text)
}

function pathOf(url: URL): string {
  return fileURLToPath(url).replaceAll('\\', '/')
}

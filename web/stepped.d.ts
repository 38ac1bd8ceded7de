// What the build makes of the programs in their steppable form: see scripts/stepped-plugin.ts.

declare module 'stepped:scenarios' {
  export const sites: import('../src/backends/stepped/index.ts').Site[]
  /** The tables of scenarios by their files. */
  export const entries: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

declare module 'stepped:workloads' {
  export const sites: import('../src/backends/stepped/index.ts').Site[]
  export const entries: { readonly machine: (request: unknown) => unknown }
}

declare module 'plain:uplot' {
  export { default } from 'uplot'
}

/** The scripts and the style of a report's page: see scripts/web-bundle.mjs. */
declare module 'plain:report' {
  interface Part {
    readonly text: string
    readonly digest: string
  }
  export const parts: Readonly<Record<'style' | 'uPlot' | 'timeline' | 'flame' | 'steps', Part>>
}

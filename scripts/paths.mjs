// Where things are in the checkout.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** What is built, and published. */
export const dist = join(root, 'dist')
/** Modules that import the tests of a folder, to run them in one process: see groups.mjs. */
export const groupFolder = join(root, '.build/together')
/** Entry points of the development tools, which the pinned Node runs. */
export const tools = {
  oxlint: join(root, 'node_modules/oxlint/bin/oxlint'),
  oxfmt: join(root, 'node_modules/oxfmt/bin/oxfmt'),
  typescript: join(root, 'node_modules/typescript/bin/tsc'),
}

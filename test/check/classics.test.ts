// The classic algorithms of examples/check: each published error is found, and each mended form passes completely.

import { readdirSync } from 'node:fs'

const folder = new URL('../../examples/check/', import.meta.url)

for (const file of readdirSync(folder).sort()) {
  if (file.endsWith('.test.ts')) await import(new URL(file, folder).href)
}

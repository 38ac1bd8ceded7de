// What stays of the declarations of a package: what its entry points lead to, and nothing else.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'

// A script has no types.
type Needed = (entries: readonly string[], read: (path: string) => string) => Map<string, string>
const script = new URL('../scripts/declarations.mjs', import.meta.url).href
const { neededDeclarations } = (await import(script)) as { neededDeclarations: Needed }

/** The texts, without blanks at the beginnings of lines. */
function needed(modules: Readonly<Record<string, string>>): Record<string, string> {
  const read = (path: string): string => modules[path] ?? assert.fail(`${path} is read`)
  const texts = [...neededDeclarations(['index.d.ts'], read)]
  return Object.fromEntries(texts.map(([path, text]) => [path, text.replaceAll(/^ +|\n$/gm, '')]))
}

test('of another module stays what is named, with its comment, and what that names', () => {
  const made = needed({
    'index.d.ts': `export { A as B } from './a.ts';
export * from './parts/list.ts';
`,
    'a.d.ts': `import { C, Unused } from './c.ts';
import type { Worker } from 'node:worker_threads';
/** Of no use. */
export interface Before { c: Unused }
/** The class. */
export declare class A { c: C; own: Own; there(): import('./d.ts').D }
type Own = string;
type Other = Worker;
`,
    'c.d.ts': `export type C = 1;
export type Unused = 2;
export declare function over(a: 1): void;
`,
    'd.d.ts': `type D = typeof value;
declare const value: 3;
declare const other: 4;
export { type D, other };
`,
    'parts/list.d.ts': `export * from './far.ts';
export * from './nothing.ts';
`,
    'parts/far.d.ts': `export declare function over(a: 1): void;
export declare function over(a: 2): void;
`,
    'parts/nothing.d.ts': `export {};
`,
  })
  assert.deepEqual(made, {
    'index.d.ts': `export { A as B } from './a.ts';
export * from './parts/list.ts';`,
    'a.d.ts': `import { C } from './c.ts';
/** The class. */
export declare class A { c: C; own: Own; there(): import('./d.ts').D }
type Own = string;`,
    'c.d.ts': 'export type C = 1;',
    'd.d.ts': `type D = typeof value;
declare const value: 3;
export { type D };`,
    'parts/list.d.ts': `export * from './far.ts';
export * from './nothing.ts';`,
    'parts/far.d.ts': `export declare function over(a: 1): void;
export declare function over(a: 2): void;`,
    'parts/nothing.d.ts': 'export {};',
  })
})

test('members that are of our own use go, with what only they name; what adds to another module stays', () => {
  const made = needed({
    'index.d.ts': `export { A } from './a.ts';
/** @internal For a module of ours. */
export { other } from './other.ts';
`,
    'a.d.ts': `/// <reference types="node" />
import { Base, Hidden } from './base.ts';
declare module './base.ts' {
interface Base { added: Added; }
}
interface Added { a: 1; }
export declare class A extends Base {
/** @internal */
hidden: Hidden;
/** Shown. */
shown: number;
protected half(): Hidden;
/** @internal For nobody. */
constructor(hidden: Hidden);
}
`,
    'base.d.ts': `/** @internal */
export declare class Base {
all: number;
private constructor();
}
export interface Hidden { h: 1; }
`,
  })
  assert.deepEqual(made, {
    'index.d.ts': "export { A } from './a.ts';",
    'a.d.ts': `/// <reference types="node" />
import { Base } from './base.ts';
declare module './base.ts' {
interface Base { added: Added; }
}
interface Added { a: 1; }
export declare class A extends Base {
/** Shown. */
shown: number;
protected constructor();
}`,
    'base.d.ts': `/** @internal */
export declare class Base {
protected constructor();
}`,
  })
})

test('what is published says nothing of the inside of the kernel', () => {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url))
  const paths = (readdirSync(dist, { recursive: true }) as string[]).filter((path) => path.endsWith('.d.ts'))
  assert.ok(paths.length > 20)
  for (const path of paths) assert.doesNotMatch(readFileSync(join(dist, path), 'utf8'), /\bTask\b/, path)
})

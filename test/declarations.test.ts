// What stays of the declarations of a package: what its entry points lead to, and nothing else.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'

// A script has no types.
type Read = (path: string) => string
type Needed = (entries: readonly string[], read: Read) => Map<string, string>
type Commonjs = (entry: string, read: Read) => string
const script = new URL('../scripts/declarations.mjs', import.meta.url).href
const { neededDeclarations, commonjsDeclarations } = (await import(script)) as {
  neededDeclarations: Needed
  commonjsDeclarations: Commonjs
}

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

test('a program of CommonJS has the same names, and those of types and of values', () => {
  const modules: Readonly<Record<string, string>> = {
    'in/index.d.ts': `import { three } from './b.ts';
export { A, type B, two as one, T } from './a.ts';
export * from './b.ts';
export type { Hidden } from './a.ts';
export declare const own: 1;
export { three as third };
`,
    'in/a.d.ts': `export declare class A { a: 1; }
export declare class B {}
export declare class Hidden {}
export declare function two(): A;
export interface T { t: 1; }
`,
    'in/b.d.ts': `export declare const three: 3;
export type Four = 4;
`,
  }
  const made = commonjsDeclarations('in/index.d.ts', (path) => modules[path]!)
  const from = "from './index.js' with { 'resolution-mode': 'import' };"
  assert.deepEqual(made.trimEnd().split('\n'), [
    `import type * as all ${from}`,
    'export declare const A: typeof all.A;',
    'export type A = all.A;',
    'export declare const one: typeof all.one;',
    'export declare const own: typeof all.own;',
    'export declare const third: typeof all.third;',
    'export declare const three: typeof all.three;',
    `export type { B, T, Hidden, Four } ${from}`,
  ])
  assert.throws(
    () => commonjsDeclarations('a.d.ts', () => 'export declare class A<T> { t: T; }'),
    /ClassDeclaration: not expected/,
  )
})

test('what is published says nothing of the inside of the kernel', () => {
  const dist = fileURLToPath(new URL('../dist/', import.meta.url))
  const paths = (readdirSync(dist, { recursive: true }) as string[]).filter((path) => path.endsWith('.d.ts'))
  assert.ok(paths.length > 20)
  for (const path of paths) assert.doesNotMatch(readFileSync(join(dist, path), 'utf8'), /\bTask\b/, path)
})

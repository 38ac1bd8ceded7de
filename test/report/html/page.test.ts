// The page of a report: whole without scripts, closed to what a recording would inject, and no larger for a larger one.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { escapeText, jsonForScript, markup } from '../../../src/report/html/markup.ts'
import { htmlPage, type PageContent } from '../../../src/report/index.ts'
import { harmed } from '../replay-objects.ts'
import { runOf, whatIfOf } from '../what-if-objects.ts'
import { contentOf } from './large-trace.ts'
import { NO_CENSUS } from '../no-census.ts'

/** Names that would do harm where they were markup, script, style, or turned the direction of text. */
const HOSTILE = [
  '</script><b>',
  '<img src=x on',
  `"onload="a()`,
  "'x'&amp;&#0;",
  '`${a}`\u2028\u2029',
  '\u202eevil\u0007\u001b[2J',
  ']]>-->{{1}}',
]

/** The tags of a page in order, without what stands in attributes and between them. */
function skeleton(page: string): string[] {
  return [...page.matchAll(/<(\/?[a-z!][\w-]*)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*\/?>/gi)].map(
    ([, tag, attributes]) => `${tag} ${attributes!.replaceAll(/="[^"]*"/g, '').replaceAll(/\s+/g, ' ')}`,
  )
}

/** The text of all elements of one kind. */
function contentsOf(page: string, element: string): string[] {
  return [...page.matchAll(new RegExp(`<${element}([^>]*)>([\\s\\S]*?)</${element}>`, 'g'))].map(
    ([, , text]) => text!,
  )
}

/** The page as it stands without what runs in it, and without its style. */
function withoutScripts(page: string): string {
  return page.replaceAll(/<(script|style)[^>]*>[\s\S]*?<\/\1>/g, '')
}

test('the page says in tables what its charts show, and names who held and who waited', async () => {
  const page = htmlPage(await contentOf({ threads: 6, events: 3000 }))
  assert.match(page, /^<!doctype html>\s*<html lang="en">/)
  for (const id of ['verdict', 'recorded', 'timeline', 'locks', 'flame', 'faults', 'mappings'])
    assert.match(
      page,
      new RegExp(`<section id="${id}" aria-labelledby="title-${id}">\\s*<h2 id="title-${id}">`),
      id,
    )
  const tables = page.match(/<table/g)!.length
  assert.equal(page.match(/<caption>/g)!.length, tables)
  assert.ok(tables >= 9)
  // Every link within the page leads somewhere, and every identifier is there once.
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!)
  assert.equal(new Set(ids).size, ids.length)
  for (const [, target] of page.matchAll(/href="([^"]+)"/g)) assert.ok(ids.includes(target!.slice(1)), target)
  for (const [, list] of page.matchAll(/aria-(?:labelledby|describedby)="([^"]+)"/g))
    for (const id of list!.split(' ')) assert.ok(ids.includes(id), id)
  assert.match(page, /kept by worker: mmap/)
  assert.doesNotMatch(withoutScripts(page), /NaN|Infinity|undefined|\[object/)
})

test('nothing in the page is loaded, and only the scripts and the style of the page may run', async () => {
  const page = htmlPage(await contentOf({ threads: 3, events: 500 }))
  assert.doesNotMatch(withoutScripts(page), /\b(?:src|srcset|style|on\w+)="/)
  assert.doesNotMatch(page, /@import|url\(/)
  const escaped = /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)![1]!
  const policy = escaped.replaceAll('&#39;', "'")
  const allowed = (name: string): string[] => new RegExp(`${name} ([^;]*)`).exec(policy)![1]!.split(' ')
  const digests = (all: readonly string[]): string[] =>
    all.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`)
  const runnable = [...page.matchAll(/<script( type="module")?>([\s\S]*?)<\/script>/g)].map(
    ([, , text]) => text!,
  )
  assert.equal(runnable.length, 3)
  assert.deepEqual(allowed('script-src'), digests(runnable))
  assert.deepEqual(allowed('style-src'), digests(contentsOf(page, 'style')))
  assert.deepEqual(allowed('default-src'), ["'none'"])
})

test('names in a recording are text, whatever they hold', async () => {
  const shape = { threads: 7, events: 2000 }
  const plain = HOSTILE.map((_, number) => `name-${number}`)
  const hostile = await contentOf({ ...shape, comms: HOSTILE.map((name) => name.slice(0, 15)) })
  const innocent = await contentOf({ ...shape, comms: plain })
  const page = htmlPage(withNames(hostile, HOSTILE.join('')))
  assert.deepEqual(skeleton(page), skeleton(htmlPage(withNames(innocent, 'name'))))
  assert.doesNotMatch(page, /(?!\n)[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
  const data = contentsOf(page, 'script')[0]!
  assert.doesNotMatch(data, /[<>&]/)
  const lanes = (JSON.parse(data) as { lanes: { name: string }[] }).lanes
  assert.ok(lanes.some(({ name }) => name.startsWith('</script><b>')))
  assert.match(page, /&lt;\/script&gt;&lt;b&gt;/)
})

/** The content with a name where a trace has paths, mappings and warnings, and in a replay. */
function withNames(content: PageContent, name: string): PageContent {
  const { trace, detail } = content
  const locks = {
    ...trace.locks,
    foreign: trace.locks.holders.slice(0, 1).map((holder) => ({
      ...holder,
      process: name,
      processes: 1,
      owner: { process: name, pid: 9 },
      owners: 1,
      delayedNs: 0,
      shortNs: 0,
    })),
    longest: trace.locks.longest.map((wait) => ({ ...wait, waiter: { ...wait.waiter, mapping: name } })),
    matrix: trace.locks.matrix.map((one) => ({ ...one, owner: name, heldBy: `${one.heldBy} (${name})` })),
  }
  const named = { ...trace, path: `/tmp/${name.replaceAll('/', '')}`, program: name, warnings: [name], locks }
  const design = harmed.designs[0]!
  const replay = {
    ...harmed,
    trace: named,
    designs: [
      {
        ...design,
        design: name,
        corrections: { [name]: 1 },
        fidelity: {
          ...design.fidelity,
          faults: [{ line: 1, tid: 1, kind: 'noFault' as const, address: name }],
        },
      },
    ],
  }
  const mappings = detail!.mappings.map((one) => ({ ...one, name, process: name }))
  const waits = {
    ...detail!.waits,
    byStack: { ...detail!.waits.byCall, children: [{ name, ns: 1, waits: 1, children: [] }] },
  }
  return {
    ...content,
    trace: named,
    before: named,
    replays: [replay],
    detail: { ...detail!, mappings, waits },
  }
}

test('what is put into markup and into scripts cannot leave its place', () => {
  assert.equal(escapeText(`<a href="x" class='y'>&`), '&lt;a href=&quot;x&quot; class=&#39;y&#39;&gt;&amp;')
  assert.equal(
    markup`<p title="${'"><script>'}">${['<', null, 3]}</p>`.text,
    '<p title="&quot;&gt;&lt;script&gt;">&lt;3</p>',
  )
  const json = jsonForScript({ a: '</script><!--\u2028', b: ['\ud800', '&'] })
  assert.doesNotMatch(json, /[<>&\u2028\ud800]/)
  assert.deepEqual(JSON.parse(json), { a: '</script><!--?', b: ['\ufffd', '&'] })
})

test('ten times the events make no larger page', async () => {
  const [small, large] = await Promise.all(
    [4_000, 40_000].map((events) => contentOf({ threads: 67, events })),
  )
  const [a, b] = [htmlPage(small!), htmlPage(large!)]
  assert.ok(large!.trace.events > 9 * small!.trace.events)
  const items = (page: string): number => skeleton(page).length
  assert.ok(items(b) < 1.2 * items(a), `${items(b)} elements, ${items(a)} for a tenth of the events`)
  assert.ok(items(b) < 6000)
  assert.ok(b.length < 1.5 * a.length && b.length < 2 ** 20, `${b.length} bytes, ${a.length}`)
})

test('two recordings, and a replay with its designs, are sections of the page', async () => {
  const after = await contentOf({ threads: 4, events: 900 })
  const before = (await contentOf({ threads: 6, events: 2500 })).trace
  const page = htmlPage({ ...after, before, replays: [{ ...harmed, trace: after.trace }] })
  for (const id of ['compare', 'designs', 'fidelity'])
    assert.match(page, new RegExp(`<section id="${id}"`), id)
  assert.match(page, /lespinasse-2021\/xadd/)
  assert.match(page, /<rect\s+class="whisker"/)
  const alone = htmlPage({ ...after, detail: null })
  assert.doesNotMatch(alone, /id="timeline"|<script/)
})

test('of a recording with holes nothing is shown that would be taken for true', async () => {
  const content = await contentOf({ threads: 4, events: 900 })
  const page = htmlPage({ ...content, trace: { ...content.trace, lostEvents: 500 } })
  assert.match(page, /so there is no verdict/)
  assert.doesNotMatch(page, /<section id="(?:locks|flame|advice|timeline|faults)"/)
})

test('the verdict has three sentences: whether it hurts, who held the lock, what to change', async () => {
  const content = await contentOf({ threads: 6, events: 3000 })
  const sentences = (page: string): string[] =>
    contentsOf(/<p class="verdict[\s\S]*?<\/p>/.exec(page)![0], 'span').slice(1)
  const [harm, holder, help, ...more] = sentences(htmlPage(content))
  assert.match(harm!, /^The mmap lock hurts this program/)
  assert.match(
    holder!,
    /^worker of program \(100\) held the lock for [\d.]+ % of the time that others waited, in mmap\.$/,
  )
  assert.match(help!, /^Call mmap less often.* \(about [\d.]+ [mµ]s of [\d.]+ ms less\)\.$/)
  assert.deepEqual(more, [])
  // Without events of the lock, nothing is claimed either way; what calls take themselves is known.
  const { trace } = content
  const locks = { ...trace.locks, holders: [], waiters: [], matrix: [] }
  const blind = { ...trace, locks, faultCensus: NO_CENSUS, linux: { ...trace.linux, recorded: false } }
  const unknown = sentences(htmlPage({ ...content, trace: blind }))
  assert.match(
    unknown.join(' '),
    /nor whether the lock hurts\. This recording does not show what would help\.$/,
  )
})

test('simulations are a section with a table, and a script of its own', async () => {
  const content = await contentOf({ threads: 3, events: 500 })
  const runs = [runOf({ elapsedMs: [190, 210] }), runOf({ design: 'classic', cpus: 8, elapsedMs: [80, 80] })]
  const page = htmlPage({ ...content, whatIf: whatIfOf(runs) })
  const [, section] = /<section id="whatif"([\s\S]*?)<\/section>/.exec(page)!
  for (const text of ['as recorded', '190–210 ms', 'classic/spinning', 'within a factor of'])
    assert.ok(section!.includes(text), text)
  const [, data] = /id="data-whatif">(.*?)<\/script>/.exec(page)!
  assert.deepEqual((JSON.parse(data!) as { cpus: number[] }).cpus, [2, 8])
  const scripts = (of: string): number => of.match(/<script( type="module")?>/g)!.length
  const without = htmlPage(content)
  assert.equal(scripts(page), scripts(without) + 1)
  assert.ok(!without.includes('whatif'))
  const unsure = htmlPage({
    ...content,
    whatIf: whatIfOf(runs, { error: { elapsed: 3, waits: null, waitedMs: null } }),
  })
  assert.match(unsure, /simulated, no promise/)
})

test('a recording of several programs has a table of them, and one of one has none', async () => {
  const content = await contentOf({ threads: 3, events: 200 })
  const [first] = content.trace.programs
  const programs = [
    first!,
    {
      ...first!,
      name: '<b>cat',
      processes: 36,
      threads: 37,
      faults: 4127,
      waitedNs: 1_020_000_000,
      waitShare: 0.137,
    },
  ]
  const page = htmlPage({ ...content, trace: { ...content.trace, programs } })
  assert.match(page, /<h2 id="title-programs">Programs<\/h2>/)
  const [, row] = /<th scope="row">&lt;b&gt;cat<\/th>([\s\S]*?)<\/tr>/.exec(page)!
  assert.deepEqual(
    [...row!.matchAll(/<td class="n">(.*?)<\/td>/g)].map(([, cell]) => cell),
    ['36 (100 …)', '37', '4,127', '1.02 s', '13.7 %'],
  )
  assert.doesNotMatch(
    htmlPage({ ...content, trace: { ...content.trace, programs: [first!] } }),
    /title-programs/,
  )
})

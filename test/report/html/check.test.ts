// The page of a check: each step of the text table, arrows as the execution was, and nothing that source could inject.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  type CheckResult,
  type Counterexample,
  checkFile,
  checkKernelScenario,
  mutants,
} from '../../../src/check/index.ts'
import { checkPage } from '../../../src/report/index.ts'

const programs = new URL('../../check/programs/', import.meta.url)

function pageOf(result: CheckResult, text = (file: string): string => readFileSync(file, 'utf8')): string {
  const line = `${result.scenario}: ${result.verdict}`
  const sourceOf = (file: string) => ({ name: file.split('/').slice(-2).join('/'), text: text(file) })
  return checkPage({
    target: 'x.ts',
    checks: [{ name: result.scenario, result, line }],
    change: '',
    sourceOf,
  })
}

async function checkMutant(name: string): Promise<CheckResult> {
  const { scenario, patches } = mutants.find((mutant) => mutant.name === name)!
  return checkKernelScenario(scenario, { design: 'lespinasse-2021', rwsem: 'xadd' }, { patches })
}

/** The text of a piece of the page. */
function textOf(html: string): string {
  return html
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(?:lt|gt|quot|amp|#39);/g, (entity) => ENTITIES[entity]!)
    .replaceAll(/\s+/g, ' ')
    .trim()
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&amp;': '&',
  '&#39;': "'",
}

interface ShownRow {
  readonly id: string
  readonly line: string
  /** Step, place, and what each thread does. */
  readonly cells: readonly string[]
  readonly html: string
}

function rowsOf(page: string): ShownRow[] {
  const rows = page.matchAll(/<tr class="row [^"]*" id="([^"]*)" data-line="([^"]*)"[^>]*>([^]*?)<\/tr>/g)
  return [...rows].map(([, id, line, html]) => {
    const cells = [...html!.matchAll(/<t[hd][^>]*>([^]*?)<\/t[hd]>/g)].map(([, cell]) => textOf(cell!))
    return { id: id!, line: line!, cells, html: html! }
  })
}

/** Arrows as pairs of texts: what is read, or who wakes, and what reads it, or is woken. */
function arrowsOf(page: string, kind: 'reads' | 'wakes'): string[] {
  const rows = rowsOf(page)
  const said = ({ cells: [, , ...own] }: ShownRow): string =>
    own.map((text) => text.replace(/ \(.*\)$/, '')).join('')
  return rows.flatMap((row) =>
    [...row.html.matchAll(new RegExp(`<a class="${kind}" href="#([^"]*)">`, 'g'))].map(
      ([, from]) => `${said(rows.find(({ id }) => id === from)!)} > ${said(row)}`,
    ),
  )
}

function assertHoldsSteps(page: string, { rows, threads }: Counterexample): void {
  const told = rows.filter((row) => row.kind === 'call' || row.kind === 'operation')
  const shown = rowsOf(page)
  assert.equal(shown.length, told.length)
  told.forEach((row, at) => {
    const [step, place, ...cells] = shown[at]!.cells
    assert.equal(step, row.kind === 'operation' && row.step !== null ? String(row.step) : '')
    assert.equal(place, row.place)
    assert.equal(cells.length, threads)
    cells.forEach((cell, thread) => {
      if (thread !== row.thread) assert.equal(cell, '')
      else if (row.kind === 'call') assert.equal(cell, row.functions.join(' › '))
      else assert.ok(cell.startsWith(row.text.replaceAll(/\s+/g, ' ')), cell)
    })
    if (row.kind === 'operation' && row.from !== null)
      assert.match(cells[row.thread]!, new RegExp(`\\(from step ${row.from}\\)`))
  })
  for (const row of rows)
    if (row.kind === 'switch') assert.ok(textOf(page).includes(`: ${row.reason.replaceAll(/\s+/g, ' ')}`))
}

describe('the page of a check', () => {
  it('of a program: its steps, its one arrow, and the line of each step', async () => {
    const result = await checkFile(new URL('ring.ts', programs))
    const page = pageOf(result)
    assertHoldsSteps(page, result.failure!.counterexample)
    assert.deepEqual(arrowsOf(page, 'reads'), ['store ring[TAIL] 0 → 1 > load ring[TAIL] = 1'])
    assert.deepEqual(arrowsOf(page, 'wakes'), [])
    const store = rowsOf(page).find(({ cells }) => cells[0] === '3')!
    const line = new RegExp(`<div class="line marked" id="${store.line}">([^]*?)</div>`).exec(page)![1]!
    assert.equal(textOf(line), '133 Atomics.store(ring, TAIL, tail + 1)')
    assert.match(page, /a ring buffer fails in\s+7 steps with 1 preemption\./)
    const { token } = result.failure!
    assert.ok(page.includes(`faultline check x.ts --replay ${token}`))
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!)
    assert.equal(new Set(ids).size, ids.length)
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) assert.ok(ids.includes(target!), target)
  })

  it('of a kernel with a guard taken away: its steps, and its arrow into the lock', async () => {
    const result = await checkMutant('entry-overwritten')
    const page = pageOf(result)
    assertHoldsSteps(page, result.failure!.counterexample)
    // CPU 0 takes the lock that CPU 1 let go of. It reads nothing else that CPU 1 wrote, the entry in particular: to
    // look at it once more is what the mutant does not do.
    assert.deepEqual(arrowsOf(page, 'reads'), [
      'exchange pteTable[0x1000].ptl held by CPU 1 → free > cas pteTable[0x1000].ptl free → held by CPU 0',
    ])
  })

  it('of a race: an arrow from the plain write, which is no step', async () => {
    const page = pageOf(await checkFile(new URL('racy.ts', programs)))
    assert.deepEqual(arrowsOf(page, 'reads'), ['write cells[1] ← 42 > read cells[1] = 42'])
    assert.match(page, /there is no happens-before/)
  })

  it('of a thread that is woken: an arrow from the notify', async () => {
    const result = await checkFile(new URL('woken.ts', programs))
    const page = pageOf(result)
    assert.deepEqual(arrowsOf(page, 'wakes'), ['notify cells[0], wakes 1 > woken'])
    const { events } = result.failure!.counterexample
    const woken = events.filter(({ wokenBy }) => wokenBy !== null)
    assert.deepEqual(
      woken.map(({ operation, thread, wokenBy }) => [operation, thread, events[wokenBy!]!.operation]),
      [['woken', 0, 'notify']],
    )
  })

  it('of what passes says so, and has no steps', async () => {
    const page = pageOf(await checkFile(new URL('message.ts', programs)))
    assert.match(page, /Nothing fails\./)
    assert.match(page, /<li>[^<]*message\.ts: pass<\/li>/)
    assert.doesNotMatch(page, /id="steps"|<script/)
  })

  it('takes names and source for text, whatever they hold', async () => {
    const hostile = '</script><script>alert(1)</script><img src=x onerror="a()">\u202e'
    const result = await checkFile(new URL('ring.ts', programs))
    const named = (name: string): CheckResult => {
      const failure = structuredClone(result.failure!)
      const { counterexample: known } = failure
      const rows = known.rows.map((row) =>
        row.kind === 'call'
          ? { ...row, functions: [name], place: `${name}:10` }
          : row.kind === 'operation'
            ? { ...row, text: name, name }
            : row.kind === 'switch'
              ? { ...row, reason: name }
              : row,
      )
      const broken = { ...known.broken, message: name, details: [name] }
      const counterexample = { ...known, rows, broken }
      return {
        ...result,
        scenario: name,
        failure: { ...failure, message: name, token: name, counterexample },
      }
    }
    const file = fileURLToPath(new URL('ring.ts', programs))
    const source = (name: string) => (): string =>
      readFileSync(file, 'utf8')
        .split('\n')
        .map(() => name)
        .join('\n')
    const page = pageOf(named(hostile), source(hostile))
    const innocent = pageOf(named('name'), source('name'))
    const tags = (html: string): string[] => html.match(/<\/?[a-z]+/gi)!
    assert.deepEqual(tags(page), tags(innocent))
    assert.doesNotMatch(page, /\u202e/)
    assert.match(page, /&lt;\/script&gt;&lt;script&gt;alert/)
    const policy = (html: string): string => /Content-Security-Policy"\s+content="([^"]*)"/.exec(html)![1]!
    assert.equal(policy(page), policy(innocent))
    assert.match(
      policy(page),
      /default-src &#39;none&#39;; script-src &#39;sha256-[^ ]+; style-src &#39;sha256-/,
    )
  })
})

// The drawing of an address space, the source beside it, and the steps that led there.

import { element, svgElement } from '../dom.ts'
import type { CpuState, Place, Row, Space, State, TreeNode, VmaView, Word } from './protocol.ts'

/** Lines of source above and below the one that is next. */
const AROUND = 7
const BOX = { character: 7.4, padding: 16, height: 26, gapX: 12, gapY: 26 }

/** `before` is the state that was drawn last: what differs from it is marked. */
export function drawSpace(space: Space, before: Space | null): HTMLElement {
  return element(
    'div',
    {},
    element('h3', {}, 'Lock and sequence counts'),
    wordList(space.words, before?.words ?? null),
    element('h3', {}, `VMAs in the ${space.tree.kind}`),
    space.tree.root === null
      ? element('p', { class: 'faint' }, 'The tree is empty.')
      : drawTree(space.tree.root),
    element('ul', { class: 'words vmas' }, ...space.vmas.map((vma) => drawVma(vma, before))),
    element('h3', {}, 'Page table entries'),
    wordList(space.entries, before?.entries ?? null),
    element('h3', {}, 'CPUs, as the others see them'),
    wordList(cpuWords(space), before && cpuWords(before)),
  )
}

function cpuWords({ cpuStates }: Space): Word[] {
  return cpuStates.map((text, id) => ({ name: `CPU ${id}`, text }))
}

function wordList(words: readonly Word[], before: readonly Word[] | null): HTMLElement {
  const items = words.map((word) =>
    element(
      'li',
      { class: before !== null && textIn(before, word.name) !== word.text ? 'changed' : null },
      element('b', {}, word.name),
      word.text,
    ),
  )
  return element('ul', { class: 'words' }, ...items)
}

function textIn(words: readonly Word[], name: string): string | undefined {
  return words.find((word) => word.name === name)?.text
}

function drawVma(vma: VmaView, before: Space | null): HTMLElement {
  const known = before?.vmas.find(({ name }) => name === vma.name)
  const isChanged = before !== null && JSON.stringify(known) !== JSON.stringify(vma)
  const classes = [isChanged ? 'changed' : '', vma.state === 'linked' ? '' : 'gone'].join(' ').trim()
  const says = {
    linked: '',
    unlinked: 'not in the list any more',
    freed: 'freed: its memory is filled with poison',
  }
  const words = vma.words.map(({ name, text }) => `${name.replace(/^vm\./, '')} ${text}`)
  return element(
    'li',
    { class: classes === '' ? null : classes },
    element('b', {}, vma.name),
    [says[vma.state], ...words].filter((text) => text !== '').join(', '),
  )
}

interface Placed {
  readonly x: number
  readonly shapes: readonly SVGElement[]
}

/** Leaves side by side, and each node above the middle of its children. */
function drawTree(root: TreeNode): SVGElement {
  const width = BOX.padding + BOX.character * longestLabel(root)
  let leaves = 0
  let deepest = 0
  const place = (node: TreeNode, depth: number): Placed => {
    deepest = Math.max(deepest, depth)
    const children = node.children.map((child) => place(child, depth + 1))
    const x =
      children.length === 0 ? leaves++ * (width + BOX.gapX) : (children[0]!.x + children.at(-1)!.x) / 2
    const y = depth * (BOX.height + BOX.gapY)
    const lines = children.map((child) => lineBetween(x + width / 2, child.x + width / 2, y + BOX.height))
    return { x, shapes: [...lines, boxAt(node, x, y, width), ...children.flatMap(({ shapes }) => shapes)] }
  }
  const { shapes } = place(root, 0)
  const whole = leaves * (width + BOX.gapX)
  const height = (deepest + 1) * BOX.height + deepest * BOX.gapY + 4
  const size = { viewBox: `0 0 ${whole} ${height}`, width: String(whole), height: String(height) }
  return svgElement('svg', { class: 'tree', role: 'img', 'aria-label': treeText(root), ...size }, ...shapes)
}

function labelOf({ name, mark }: TreeNode): string {
  return `${name} (${mark})`
}

function longestLabel(node: TreeNode): number {
  return Math.max(labelOf(node).length, ...node.children.map(longestLabel))
}

function lineBetween(x1: number, x2: number, y: number): SVGElement {
  return svgElement('line', { x1: String(x1), y1: String(y), x2: String(x2), y2: String(y + BOX.gapY) })
}

function boxAt(node: TreeNode, x: number, y: number, width: number): SVGElement {
  return svgElement(
    'g',
    { class: node.mark },
    svgElement('rect', {
      x: String(x + 1),
      y: String(y + 1),
      width: String(width),
      height: String(BOX.height),
      rx: '4',
    }),
    svgElement(
      'text',
      { x: String(x + width / 2), y: String(y + 18), 'text-anchor': 'middle' },
      labelOf(node),
    ),
  )
}

function treeText({ name, mark, children }: TreeNode): string {
  const below = children.length === 0 ? '' : `; below it: ${children.map(treeText).join(', ')}`
  return `${name}, ${mark}${below}`
}

/** The lines around what each CPU does next. `files` are the sources by their paths. */
export function drawSource(cpus: readonly CpuState[], files: Readonly<Record<string, string>>): HTMLElement {
  const shown = cpus.flatMap(({ id, next }) => (next === null ? [] : [sourceOf(id, next, files)]))
  return element('div', {}, ...shown)
}

function sourceOf(cpu: number, next: Place, files: Readonly<Record<string, string>>): HTMLElement {
  const lines = files[next.file]?.split('\n') ?? []
  const first = Math.max(1, next.line - AROUND)
  const rows = lines.slice(first - 1, next.line + AROUND).map((text, index) => {
    const line = first + index
    return element(
      'span',
      { class: line === next.line ? 'here' : null, 'aria-current': line === next.line ? 'true' : null },
      `${String(line).padStart(4)}  ${text}`,
    )
  })
  return element(
    'div',
    { class: `of${cpu}` },
    element(
      'p',
      {},
      `CPU ${cpu}, next: ${next.function} at `,
      element('code', {}, `${next.file}:${next.line}`),
    ),
    element('pre', { tabindex: '0' }, ...rows),
  )
}

/** All operations and accesses, the last at the end. */
export function drawSteps({ rows, cpus }: State): HTMLElement {
  const head = element(
    'tr',
    {},
    element('th', { class: 'n', scope: 'col' }, 'step'),
    ...cpus.map(({ id }) => element('th', { scope: 'col' }, `CPU ${id}`)),
    element('th', { scope: 'col' }, 'in'),
    element('th', { scope: 'col' }, 'place'),
  )
  const body = rows.flatMap((row) => rowsOf(row, cpus.length))
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...body))
}

function rowsOf(row: Row, cpus: number): HTMLElement[] {
  const cells = Array.from({ length: cpus }, (_, id) =>
    row.cpu === id
      ? element('td', { class: `own of${id}` }, element('code', {}, row.text))
      : element('td', {}),
  )
  const own = element(
    'tr',
    { class: row.step === null ? 'plain' : null },
    element('td', { class: 'n' }, row.step === null ? '' : String(row.step)),
    ...cells,
    element('td', {}, row.function),
    element('td', {}, row.place),
  )
  if (row.switch === null) return [own]
  const reason = element('td', { colspan: String(cpus + 3) }, `→ CPU ${row.cpu}: ${row.switch}`)
  return [element('tr', { class: 'switch' }, reason), own]
}

// Where the time that was waited for the mmap lock went, as a flame graph: by stack where stacks were recorded, by call
// and holder else.
//
// It stands in the page as SVG, whole without the script, which adds zooming and the arrow keys. Widths are shares of
// the row, so that it fits every window.
import type { WaitNode } from '../../trace/wait-tree.ts'
import { formatDuration, formatShare, plural } from '../numbers.ts'
import { markup, type Markup } from './markup.ts'
import { percent, table } from './table.ts'
import type { PageContent, Section } from './section.ts'

/** Frames that are drawn at most, the widest of them; and rows. */
const FRAMES = 600
const DEPTH = 48
const ROW_HEIGHT = 18
const PATHS = 16
const COLOURS = 6

interface Frame {
  readonly node: WaitNode
  readonly depth: number
  /** Of the whole width, 0..1. */
  readonly x: number
  readonly width: number
  readonly colour: number
}

export function flameSection({ detail }: PageContent): Section | null {
  if (detail === null) return null
  const { byCall, byStack } = detail.waits
  if (byCall.ns === 0) return null
  return {
    id: 'flame',
    title: 'Where the waiting went',
    body: markup`${byStack === null ? markup`<p>No stacks were recorded (<code>faultline record --stacks</code>), so the rows are process, thread, call, and the holder for most of the time.</p>` : graph('stack', 'Waits by stack', byStack)}
    ${graph('call', 'Waits by call and holder', byCall)}
    ${byStack === null ? null : pathTable('Stacks with the most time waited', byStack)}
    ${pathTable('Calls and holders with the most time waited', byCall)}`,
  }
}

function graph(id: string, title: string, root: WaitNode): Markup {
  const frames = framesOf(root)
  const rows = Math.max(...frames.map(({ depth }) => depth)) + 1
  return markup`<h3>${title}</h3>
    <svg
      class="flame"
      id="flame-${id}"
      role="group"
      aria-label="${title}, ${formatDuration(root.ns)}"
      aria-describedby="help-flame-${id}"
      width="100%"
      height="${rows * ROW_HEIGHT}"
    >
      ${frames.map((frame, index) => frameMarkup(frame, root, index === 0))}
    </svg>
    <p class="help" id="help-flame-${id}" hidden>
      Arrow keys go from frame to frame, Enter or a click zooms, Escape shows all.
    </p> `
}

/** The widest frames, parents before their children. */
function framesOf(root: WaitNode): Frame[] {
  const all: Frame[] = []
  const add = (node: WaitNode, depth: number, x: number, width: number): void => {
    all.push({ node, depth, x, width, colour: depth === 0 ? 0 : 1 + (hashOf(node.name) % (COLOURS - 1)) })
    if (depth + 1 >= DEPTH) return
    let at = x
    for (const child of node.children) {
      const share = node.ns === 0 ? 0 : (width * child.ns) / node.ns
      add(child, depth + 1, at, share)
      at += share
    }
  }
  add(root, 0, 0, 1)
  if (all.length <= FRAMES) return all
  const least = all.map(({ width }) => width).toSorted((a, b) => b - a)[FRAMES]!
  return all.filter(({ width }) => width > least)
}

/** The same colour for the same name. */
function hashOf(name: string): number {
  let hash = 0
  for (let at = 0; at < name.length; at++) hash = (Math.imul(hash, 31) + name.charCodeAt(at)) | 0
  return hash >>> 0
}

function frameMarkup({ node, depth, x, width, colour }: Frame, root: WaitNode, isFirst: boolean): Markup {
  const label = `${node.name}: ${formatDuration(node.ns)}, ${formatShare(node.ns / Math.max(1, root.ns))}, ${plural(node.waits, 'wait')}`
  return markup`<svg
    class="frame"
    data-depth="${depth}"
    x="${percent(x)}"
    y="${depth * ROW_HEIGHT}"
    width="${percent(width)}"
    height="${ROW_HEIGHT - 1}"
    tabindex="${isFirst ? 0 : -1}"
    role="img"
    aria-label="${label}"
  >
    <title>${label}</title>
    <rect class="f${colour}" width="100%" height="100%" />
    ${width < 0.01 ? null : markup`<text x="4" y="13">${node.name}</text>`}
  </svg> `
}

/** The leaves with the most time, each with what it is in. */
function pathTable(caption: string, root: WaitNode): Markup {
  const paths: { path: string[]; node: WaitNode; own: number }[] = []
  const visit = (node: WaitNode, path: string[]): void => {
    const own = node.ns - node.children.reduce((sum, { ns }) => sum + ns, 0)
    if (own > 0 && path.length > 0) paths.push({ path, node, own })
    for (const child of node.children) visit(child, [...path, child.name])
  }
  visit(root, [])
  const shown = paths.toSorted((a, b) => b.own - a.own).slice(0, PATHS)
  return table(
    caption,
    [
      { heading: 'innermost last' },
      { heading: 'waited', isNumber: true },
      { heading: 'share', isNumber: true },
    ],
    shown.map(({ path, own }) => [
      path.join(' › '),
      formatDuration(own),
      formatShare(own / Math.max(1, root.ns)),
    ]),
  )
}

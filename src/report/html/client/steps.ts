// In the browser: the arrow keys in a list of steps, the source that follows, and the arrows from writes to reads.

const SVG = 'http://www.w3.org/2000/svg'
/** In pixels: the head of an arrow, and the room that it keeps from a text. */
const HEAD = 6
const ROOM = 3

function setUp(trace: HTMLElement): void {
  const rows = [...trace.querySelectorAll<HTMLElement>('tr.row')]
  const source = document.querySelector<HTMLElement>('.source')!
  const select = (row: HTMLElement): void => {
    for (const each of rows) {
      each.tabIndex = each === row ? 0 : -1
      if (each === row) each.setAttribute('aria-current', 'step')
      else each.removeAttribute('aria-current')
    }
    showLine(source, row.dataset['line'] ?? '')
    drawArrows(trace, row)
  }
  const move = (row: HTMLElement): void => {
    select(row)
    row.focus({ preventScroll: true })
    row.scrollIntoView({ block: 'nearest' })
  }
  const rowOf = (target: EventTarget | null): HTMLElement | undefined =>
    rows.find((row) => target instanceof Node && row.contains(target))
  trace.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null
    const row =
      rowOf(link === null ? event.target : document.getElementById(link.hash.slice(1))) ?? rowOf(link)
    if (row === undefined) return
    event.preventDefault()
    move(row)
  })
  trace.addEventListener('keydown', (event) => {
    const row = rowOf(event.target)
    // On a link, Enter follows it.
    if (row === undefined || event.altKey || event.ctrlKey || event.metaKey) return
    const next = { ArrowUp: -1, ArrowDown: 1, Home: -rows.length, End: rows.length }[event.key]
    if (next === undefined) return
    move(rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(row) + next))]!)
    event.preventDefault()
  })
  // What fails last is what one wants to know; how it came to that, one reads from the top.
  select(rows[0]!)
  const redraw = (): void =>
    drawArrows(
      trace,
      rows.find((row) => row.tabIndex === 0)!,
    )
  new ResizeObserver(redraw).observe(trace.querySelector('table')!)
  matchMedia('print').addEventListener('change', redraw)
}

/** Marks a line of the source, and scrolls it into the middle of its panel, and nothing else. */
function showLine(source: HTMLElement, id: string): void {
  for (const line of source.querySelectorAll('.now')) line.classList.remove('now')
  const line = id === '' ? null : document.getElementById(id)
  if (line === null) return
  line.classList.add('now')
  const [panel, box] = [source.getBoundingClientRect(), line.getBoundingClientRect()]
  source.scrollTop += box.top - panel.top - (panel.height - box.height) / 2
}

interface Box {
  readonly left: number
  readonly right: number
  readonly middle: number
}

/** Draws the arrow of each link anew; those to and from the chosen row stand out. */
function drawArrows(trace: HTMLElement, chosen: HTMLElement): void {
  trace.querySelector('svg')?.remove()
  const table = trace.querySelector('table')!
  const origin = table.getBoundingClientRect()
  const drawing = document.createElementNS(SVG, 'svg')
  drawing.setAttribute('class', 'arrows')
  drawing.setAttribute('aria-hidden', 'true')
  drawing.setAttribute('width', String(origin.width))
  drawing.setAttribute('height', String(origin.height))
  const boxOf = (row: Element): Box => {
    const { left, right, top, height } = row.querySelector('.what')!.getBoundingClientRect()
    return {
      left: left - origin.left - ROOM,
      right: right - origin.left + ROOM,
      middle: top + Math.min(height, 24) / 2 - origin.top,
    }
  }
  for (const link of trace.querySelectorAll<HTMLAnchorElement>('a.reads, a.wakes')) {
    const from = document.getElementById(link.hash.slice(1))!
    const to = link.closest('tr')!
    const arrow = arrowBetween(boxOf(from), boxOf(to))
    const isChosen = from === chosen || to === chosen
    arrow.setAttribute('class', `arrow ${link.className}${isChosen ? ' chosen' : ''}`)
    drawing.append(arrow)
  }
  table.before(drawing)
}

/** A curve from the side of one text to the side of another that is nearer, with a head. */
function arrowBetween(from: Box, to: Box): SVGGElement {
  const isRightwards = from.left + from.right < to.left + to.right
  const [x1, x2] = isRightwards ? [from.right, to.left] : [from.left, to.right]
  const sign = isRightwards ? 1 : -1
  const bend = Math.max(24, Math.abs(x2 - x1) / 2) * sign
  const [y1, y2] = [from.middle, to.middle]
  const end = x2 - HEAD * sign
  const group = document.createElementNS(SVG, 'g')
  const curve = document.createElementNS(SVG, 'path')
  curve.setAttribute('d', `M${x1},${y1} C${x1 + bend},${y1} ${end - bend},${y2} ${end},${y2}`)
  const head = document.createElementNS(SVG, 'path')
  head.setAttribute('class', 'head')
  head.setAttribute('d', `M${x2},${y2} l${-HEAD * sign},${-HEAD / 2} v${HEAD} z`)
  group.append(curve, head)
  return group
}

const trace = document.getElementById('trace')
if (trace !== null && trace.querySelector('tr.row') !== null) {
  setUp(trace)
  document.getElementById('help-steps')!.hidden = false
}

// In the browser: the arrow keys in a flame graph, and zooming into a frame. The graph itself stands in the page.

interface Frame {
  readonly element: SVGSVGElement
  readonly depth: number
  /** As in the page, in percent. */
  readonly x: number
  readonly width: number
}

function setUp(graph: Element): void {
  const frames = [...graph.querySelectorAll<SVGSVGElement>('.frame')].map((element) => ({
    element,
    depth: Number(element.dataset['depth']),
    x: Number.parseFloat(element.getAttribute('x') ?? '0'),
    width: Number.parseFloat(element.getAttribute('width') ?? '0'),
  }))
  const frameOf = (target: EventTarget | null): Frame | undefined => {
    const element = target instanceof Element ? target.closest('.frame') : null
    return frames.find((frame) => frame.element === element)
  }
  graph.addEventListener('click', (event) => {
    const frame = frameOf(event.target)
    if (frame === undefined) return
    focusOn(frames, frame)
    zoom(frames, frame)
  })
  graph.addEventListener('keydown', (event) => {
    const frame = frameOf(event.target)
    if (frame === undefined || !(event instanceof KeyboardEvent)) return
    const next = neighbour(frames, frame, event.key)
    if (next !== undefined) focusOn(frames, next)
    else if (event.key === 'Enter' || event.key === ' ') zoom(frames, frame)
    else if (event.key === 'Escape') zoom(frames, frames[0]!)
    else return
    event.preventDefault()
  })
}

/** One frame can be reached with Tab; the arrow keys say which. */
function focusOn(frames: readonly Frame[], chosen: Frame): void {
  for (const { element } of frames) element.setAttribute('tabindex', element === chosen.element ? '0' : '-1')
  chosen.element.focus()
}

function neighbour(frames: readonly Frame[], { depth, x, width }: Frame, key: string): Frame | undefined {
  const visible = frames.filter(({ element }) => element.style.display !== 'none')
  const row = (at: number): Frame[] => visible.filter((frame) => frame.depth === at)
  if (key === 'ArrowUp')
    return row(depth - 1).find((one) => one.x <= x + 1e-6 && one.x + one.width >= x + width - 1e-3)
  if (key === 'ArrowDown') return row(depth + 1).find((one) => one.x >= x - 1e-3 && one.x < x + width)
  if (key === 'ArrowRight') return row(depth).find((one) => one.x > x)
  if (key === 'ArrowLeft') return row(depth).findLast((one) => one.x < x)
  return undefined
}

/** Shows a frame as wide as the graph, with what is under it, and what it is in. */
function zoom(frames: readonly Frame[], { x, width }: Frame): void {
  for (const frame of frames) {
    const from = ((frame.x - x) / width) * 100
    const to = ((frame.x + frame.width - x) / width) * 100
    const isVisible = to > 0.01 && from < 99.99
    frame.element.style.display = isVisible ? '' : 'none'
    if (!isVisible) continue
    frame.element.setAttribute('x', `${Math.max(0, from)}%`)
    frame.element.setAttribute('width', `${Math.min(100, to) - Math.max(0, from)}%`)
  }
}

for (const graph of document.querySelectorAll('.flame')) {
  setUp(graph)
  document.getElementById(`help-${graph.id}`)!.hidden = false
}

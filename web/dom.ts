// Elements made without markup: no text of a recording or of a source is ever taken for it.

type Child = Node | string | null

/** An element with attributes; null ones are left out. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string | null>>,
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  fill(made, attributes, children)
  return made
}

export function svgElement(
  name: string,
  attributes: Readonly<Record<string, string | null>>,
  ...children: readonly Child[]
): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  fill(made, attributes, children)
  return made
}

function fill(
  made: Element,
  attributes: Readonly<Record<string, string | null>>,
  children: readonly Child[],
): void {
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value)
  made.append(...children.filter((child) => child !== null))
}

/** What is told of a worker that ends by itself: its memory was not enough, or it could not be loaded. */
export function endOfWorker({ message }: ErrorEvent): string {
  return `The worker has ended: ${message === undefined || message === '' ? 'it could not be loaded' : message}`
}

/** What went wrong, in words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The element of the page with this id. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  return document.getElementById(id) as Type
}

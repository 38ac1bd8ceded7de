/** A design and its rwsem, as one name. */
export function nameOf(design: { readonly design: string; readonly rwsem: string }): string {
  return `${design.design}/${design.rwsem}`
}

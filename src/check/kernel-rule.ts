/** The kernel has broken one of its rules. */
export class KernelRuleBroken extends Error {
  override readonly name = 'KernelRuleBroken'
}

export function broken(problem: string): never {
  throw new KernelRuleBroken(problem)
}

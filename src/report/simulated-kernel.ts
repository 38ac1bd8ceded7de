// Which kernel a simulation is of, in words: what a text of it says beside its figures.

type KernelOptions = Readonly<Record<string, boolean | string | number>>

/** What a fault writes besides, what spinlocks are, and how many memory nodes there are. */
export function simulatedKernelWords(options: KernelOptions): string {
  const nodes = Number(options['nodes'])
  return [
    accountingWords(String(options['accounting']), options['prefetchesMmapLock'] === true),
    `Spinlocks are ${String(options['spinlock'])}: --spinlock.`,
    nodes === 1 ? 'Memory is one node.' : `There are ${nodes} memory nodes, one for each socket.`,
  ].join(' ')
}

function accountingWords(accounting: string, prefetches: boolean): string {
  const first = prefetches ? ', and first requests the line of the mmap lock' : ''
  return accounting === 'none'
    ? 'A fault writes only what this kernel needs, without the lists, charges and counters of Linux: --accounting.'
    : `A fault also writes the lists, charges and counters of Linux since ${accounting}${first}: --accounting.`
}

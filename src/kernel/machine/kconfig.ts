// Build-time options of the kernel, with the dependency rules that Linux's Kconfig files give them.
//
// Sources: mm/Kconfig and arch/x86/Kconfig of "Speculative page faults" v1 and v2 (M. Lespinasse, message-ids
// 20210430195232.30491-1-michel@lespinasse.org and 20220128131006.67712-1-michel@lespinasse.org) and v12 (L. Dufour,
// 20190416134522.17540-1-ldufour@linux.ibm.com), which also needs ARCH_HAS_PTE_SPECIAL.

/** The options of a kernel, by the names that they have in its Kconfig files. */
export interface KernelConfig {
  /** More than one CPU. */
  readonly SMP: boolean
  /** A memory management unit. The machine always has one; without it nothing here makes sense. */
  readonly MMU: boolean
  /** The architecture's fault handler knows how to try a fault speculatively. */
  readonly ARCH_SUPPORTS_SPECULATIVE_PAGE_FAULT: boolean
  /** Page-table entries have a bit for pages without a `struct page`, such as the zero page. */
  readonly ARCH_HAS_PTE_SPECIAL: boolean
  /** Faults may be tried without the mmap lock. */
  readonly SPECULATIVE_PAGE_FAULT: boolean
  /** Count every reason for an abort, not only their sum. */
  readonly SPECULATIVE_PAGE_FAULT_STATS: boolean
  /** Page tables are freed after an RCU grace period; without it, after an interrupt to every CPU. */
  readonly MMU_GATHER_RCU_TABLE_FREE: boolean
  /** mremap moves whole page tables where it can, and not their entries one by one. */
  readonly HAVE_MOVE_PMD: boolean
  /**
   * The processor has protection keys (`ospke`), and what may only be executed cannot be read, see vma/pkeys.ts.
   * Without them, as on processors that have none, it can.
   */
  readonly X86_INTEL_MEMORY_PROTECTION_KEYS: boolean
  /**
   * `mm_forbids_zeropage` (since Linux 3.19, for KVM guests on s390), for every address space: a read fault on private
   * anonymous memory takes a page of its own, as a write fault does, and does not map the zero page.
   */
  readonly MM_FORBIDS_ZEROPAGE: boolean
  /** Only the parts of a frame that were written are zeroed for its next owner, see sectors.ts. */
  readonly ZERO_WRITTEN_SECTORS: boolean
  /** Freed objects are filled with poison, which is checked when they are allocated again. */
  readonly SLUB_DEBUG: boolean
}

/** The options as they are unless others are given. */
export const defaultKernelConfig: KernelConfig = {
  SMP: true,
  MMU: true,
  ARCH_SUPPORTS_SPECULATIVE_PAGE_FAULT: true,
  ARCH_HAS_PTE_SPECIAL: true,
  SPECULATIVE_PAGE_FAULT: true,
  SPECULATIVE_PAGE_FAULT_STATS: true,
  MMU_GATHER_RCU_TABLE_FREE: true,
  HAVE_MOVE_PMD: true,
  X86_INTEL_MEMORY_PROTECTION_KEYS: false,
  MM_FORBIDS_ZEROPAGE: false,
  ZERO_WRITTEN_SECTORS: true,
  SLUB_DEBUG: false,
}

/** The options, in the order of their bits in the machine header. */
export const kernelConfigNames = Object.keys(defaultKernelConfig) as readonly (keyof KernelConfig)[]

interface Rule {
  readonly option: keyof KernelConfig
  readonly needs: readonly (keyof KernelConfig)[]
}

const rules: readonly Rule[] = [
  {
    option: 'SPECULATIVE_PAGE_FAULT',
    needs: ['ARCH_SUPPORTS_SPECULATIVE_PAGE_FAULT', 'ARCH_HAS_PTE_SPECIAL', 'MMU', 'SMP'],
  },
  { option: 'SPECULATIVE_PAGE_FAULT_STATS', needs: ['SPECULATIVE_PAGE_FAULT'] },
]

/**
 * Completes `chosen` with the defaults. An option left to its default is switched off when something that it needs is
 * off, as Kconfig does; an option that was asked for in an impossible combination is returned as a problem.
 */
export function resolveKernelConfig(given: Partial<KernelConfig>): {
  config: KernelConfig
  problems: string[]
} {
  const config: Record<string, boolean> = { ...defaultKernelConfig }
  const problems: string[] = []
  // Each is read once; what all objects inherit is no option.
  const chosen: Partial<KernelConfig> = { ...given }
  for (const [name, value] of Object.entries(chosen)) {
    if (!Object.hasOwn(defaultKernelConfig, name)) problems.push(`there is no option ${name}`)
    else if (typeof value !== 'boolean') problems.push(`${name} is true or false, not ${String(value)}`)
    else config[name] = value
  }
  if (!config['MMU']) problems.push('MMU cannot be off: the machine is a memory management unit')
  for (const { option, needs } of rules) {
    const missing = needs.filter((need) => !config[need])
    if (missing.length === 0 || !config[option]) continue
    if (Object.hasOwn(chosen, option) && chosen[option] === true)
      problems.push(`${option} needs ${missing.join(' and ')}`)
    else config[option] = false
  }
  return { config: config as unknown as KernelConfig, problems }
}

/** Packs the options into one word of the machine header. */
export function packKernelConfig(config: KernelConfig): number {
  let bits = 0
  kernelConfigNames.forEach((name, bit) => {
    if (config[name]) bits |= 1 << bit
  })
  return bits
}

/** The options from the word that {@link packKernelConfig} made. */
export function unpackKernelConfig(bits: number): KernelConfig {
  const config: Record<string, boolean> = { ...defaultKernelConfig }
  for (let bit = 0; bit < kernelConfigNames.length; bit++)
    config[kernelConfigNames[bit]] = (bits & (1 << bit)) !== 0
  return config as unknown as KernelConfig
}

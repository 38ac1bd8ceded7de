// The memory alone, for threads that use it: without the checker, which is most of what `faultline` loads.

// Compilers of a program for a browser may not have it.
/// <reference lib="esnext.disposable" preserve="true" />
import { type DesignDescription, designs as kernelDesigns } from './kernel/index.ts'

export * from './backends/threads/index.ts'
/** Every design of speculative page faults that there is, with where it comes from. */
export const designs: readonly DesignDescription[] = kernelDesigns.map((design) => design.description)

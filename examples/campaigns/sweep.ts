// A thousand small simulations: how far the ranking of four designs depends on what a fault and an interrupt cost.
import type { Campaign } from 'faultline'

export default {
  name: 'a thousand configurations',
  jobs: [
    {
      simulate: ['pft', 'mmap1'],
      machines: ['icelake-2s'],
      cpus: [1, 2, 4, 8, 16],
      designs: ['classic', 'lespinasse-2021', 'per-vma-lock-2023', 'per-vma-refcount-2025'],
      rwsems: ['spinning'],
      constants: {
        'software.faultNs': [100, 300, 500, 700, 900],
        'software.interruptNs': [250, 500, 1000, 2000, 4000],
      },
      effort: 0.25,
    },
  ],
} satisfies Campaign

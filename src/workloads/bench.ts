// A bench: one workload under a list of designs, rwsems and thread counts, repeated, and compared with Linux if
// asked.
//
// Principles: repetitions are interleaved (A B C A B C, never A A B B), so that a slow phase of the host affects all
// alike; medians are compared, and always reported with their spread.
import { Worker } from 'node:worker_threads'
import { type DesignName, type RwsemChoice, combine } from './catalogue.ts'
import { LinuxPeer } from './linux-peer.ts'
import { assemble, type BenchResult, type BenchSetting } from './summary.ts'
import type { DesignRun, Run, ThreadRunOptions } from './thread-run.ts'

export interface BenchOptions extends BenchSetting {
  readonly designs: readonly DesignName[]
  readonly rwsems: RwsemChoice
  /** Numbers of measured threads, each at least 1. */
  readonly threads: readonly number[]
  readonly warmupSeconds: number
  readonly against: 'linux' | null
  /** Called before each run with what is about to run. */
  readonly onProgress?: (step: number, steps: number, what: string) => void
}

/** Runs a bench. Throws PeerError when there is no peer to run against, and what the machine throws. */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  const { repetitions } = options
  const peer = options.against === 'linux' ? await LinuxPeer.compile() : null
  const runs: DesignRun[] = []
  const peerRuns: Run[] = []
  const combinations = combine(options.designs, options.rwsems)
  const steps = repetitions * options.threads.length * (combinations.length + (peer ? 1 : 0))
  let step = 0
  try {
    for (let repetition = 1; repetition <= repetitions; repetition++) {
      for (const threads of options.threads) {
        const { workload, seconds, warmupSeconds, bytesPerThread, config, rss = 'batched' } = options
        const common = { workload, seconds, warmupSeconds, bytesPerThread, config, rss, threads, repetition }
        for (const { design, rwsem } of combinations) {
          options.onProgress?.(++step, steps, `${design}/${rwsem}, threads: ${threads}`)
          runs.push(await runApart({ ...common, design, rwsem }))
        }
        if (peer) {
          options.onProgress?.(++step, steps, `${peer.name}, threads: ${threads}`)
          peerRuns.push(await peer.run(common))
        }
      }
    }
  } finally {
    peer?.close()
  }
  return assemble(options, runs, peer && { name: peer.name, runs: peerRuns })
}

/** Runs one workload once, in a thread that ends with it (see run-worker.ts). */
function runApart(options: ThreadRunOptions): Promise<DesignRun> {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  const worker = new Worker(new URL(`./run-worker${extension}`, import.meta.url), { workerData: options })
  const { promise, resolve, reject } = Promise.withResolvers<DesignRun>()
  let result: DesignRun | undefined
  worker.on('message', (run: DesignRun) => (result = run))
  worker.on('error', reject)
  worker.on('exit', (code) => {
    if (result === undefined)
      reject(new Error(`a run of ${options.workload.name} ended early with code ${code}`))
    else resolve(result)
  })
  return promise
}

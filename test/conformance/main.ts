// `npm run conformance -- --sequences N --seed S --calls C --design D,… --threads T`
// holds random sequences of calls and accesses against the Linux that this runs on, see docs/conformance.md.
// Exit code 0: all agree, or there is no compiler; 1: something differs; 2: a wrong call.

import os from 'node:os'
import { type Arguments, WrongCall, readArguments } from './arguments.ts'
import { compare, disagreementText } from './compare.ts'
import { isRecent, LinuxPeer, oldestKernel, whyNotHere } from './linux.ts'

function readOrRefuse(): Arguments {
  try {
    return readArguments(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof WrongCall)) throw error
    console.error(`conformance: ${error.message}`)
    process.exit(2)
  }
}

const { sequences, calls, threads, seed, designs: chosen } = readOrRefuse()
const obstacle = whyNotHere()
if (obstacle !== null) {
  console.log(`conformance: skipped: ${obstacle}`)
  process.exit(0)
}
// Thousands of signals are thrown as errors whose stack nobody reads.
Error.stackTraceLimit = 0
const peers = await LinuxPeer.startForms(threads)
const kernel = os.release()
if (!isRecent(kernel)) {
  console.error(`conformance: Linux ${kernel} is older than ${oldestKernel}; differences are to be expected`)
}
const number = (value: number) => Math.round(value).toLocaleString('en')

/** Holds the designs against one form of Linux, and prints how it went. Returns whether all agree. */
async function hold(peer: LinuxPeer): Promise<boolean> {
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  let told = 0
  const result = await compare({
    sequences,
    seed,
    calls,
    designs: chosen,
    peer,
    progress(done) {
      if (!process.stderr.isTTY || seconds() < told + 2) return
      told = seconds()
      process.stderr.write(`\r${number(done)} sequences, ${number(done / told)} a second `)
    },
  })
  peer.close()
  if (told !== 0) process.stderr.write('\n')
  console.log(
    `${number(result.sequences)} sequences of ${number(result.steps)} steps, seed ${seed}, ` +
      `${chosen.length} designs, Linux ${kernel}, ${peer.form}: ${seconds().toFixed(1)} s, ` +
      `${number(result.sequences / seconds())} sequences a second`,
  )
  for (const [name, count] of result.listed) console.log(`  differs by design in ${number(count)}: ${name}`)
  if (result.disagreement === null) return true
  console.log(`\n${disagreementText(result.disagreement)}`)
  return false
}

let agree = true
for (const peer of peers) {
  if (agree) agree = await hold(peer)
  else peer.close()
}
if (peers.every(({ executeOnly }) => !executeOnly))
  console.log(
    'not held: memory that can only be executed, which needs a processor with protection keys (ospke)',
  )
console.log(
  peers[0]!.forbidsZeroPage
    ? 'not held: reads that map the zero page, which this Linux forbids'
    : 'not held: reads that take pages of their own, as where Linux forbids the zero page',
)
if (agree) console.log('all agree')
else process.exitCode = 1

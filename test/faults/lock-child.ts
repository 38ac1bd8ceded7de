// A process that wants a file: for each line that it is given, it tries to open the file for writing in its machine, if
// it has not, adds 1 to its first word, and says what came of it.
//
//   lock-child.ts PATH

import { writeSync } from 'node:fs'
// Not all of the package: many of these are started.
import { Machine, MemoryError } from '../../src/backends/threads/index.ts'

const PAGE = 4096
const machine = Machine.create({ memory: '1MiB', cpus: 1 })
const space = machine.createAddressSpace()
let address = 0

function attempt(): string {
  try {
    if (address === 0) {
      const file = machine.openFile(process.argv[2]!, { mode: 'r+' })
      address = space.mmap(PAGE, { file, shared: true })
    }
    space.addUint32(address, 1)
    space.msync(address, PAGE)
    return 'open'
  } catch (error) {
    if (error instanceof MemoryError) return error.errno
    throw error
  }
}

process.stdin.on('data', () => writeSync(1, `${attempt()}\n`))
writeSync(1, 'ready\n')

// Modules of WebAssembly for tests, from their text.

import wabt from 'wabt'

const tools = await wabt()
const features = {
  threads: true,
  bulk_memory: true,
  simd: true,
  reference_types: true,
  sat_float_to_int: true,
}

/** The binary form of a module, with the names of its functions. */
export function assemble(text: string): Uint8Array<ArrayBuffer> {
  const module = tools.parseWat('test.wat', text, features)
  const { buffer } = module.toBinary({ write_debug_names: true })
  module.destroy()
  return new Uint8Array(buffer)
}

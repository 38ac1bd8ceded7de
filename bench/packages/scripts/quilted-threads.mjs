import { ThreadMessagePort } from '@quilted/threads'

const { port1, port2 } = new MessageChannel()
const adds = new ThreadMessagePort(port1, { exports: { add: async (a, b) => a + b } })
const asks = new ThreadMessagePort(port2)
if ((await asks.imports.add(1, 2)) !== 3) throw new Error('another sum')
if (adds === asks) throw new Error('one')
port1.close()

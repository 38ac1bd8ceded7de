import { expose } from '@chainsafe/threads/worker'

expose((a, b) => a + b)

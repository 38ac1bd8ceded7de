import { expose } from '@xylabs/threads/worker'

expose((a, b) => a + b)

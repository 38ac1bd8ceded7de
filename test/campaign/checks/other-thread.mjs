// A Worker that says one thing.
import { parentPort } from 'node:worker_threads'
import { expected } from './message.mjs'

parentPort.postMessage(expected)

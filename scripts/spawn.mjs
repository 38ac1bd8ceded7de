// Runs a child as if it were this process: its output, its signals and its exit code pass through.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { root } from './paths.mjs'

const deadly = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs `command` in the checkout and returns its exit code. Where one of the usual signals ended it, that ends this
 * process.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} [options]
 * @returns {Promise<number>}
 */
export async function passThrough(command, args, options = {}) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options })
  const forward = (signal) => {
    // A terminal sends its interrupt to the whole group, so the child has it already.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  for (const signal of deadly) process.on(signal, forward)
  const { code, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (exitCode, exitSignal) => resolve({ code: exitCode, signal: exitSignal }))
  }).finally(() => {
    for (const each of deadly) process.off(each, forward)
  })
  if (signal === null) return code
  if (!deadly.includes(signal)) return 128 + constants.signals[signal]
  process.kill(process.pid, signal)
  return new Promise(() => setInterval(() => {}, 1000)) // it arrives within this turn of the event loop
}

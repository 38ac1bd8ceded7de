// One writer at a time: what installs or builds holds `.build/lock` while it does. The lock is a file with its
// owner's process number, linked into place whole, so that it never exists without an owner. An owner that no longer
// runs has lost it. Runs under Node 20, with built-in modules only.

import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from './paths.mjs'

const directory = join(root, '.build')
const lockFile = join(directory, 'lock')
const breakFile = join(directory, 'lock.break')
const pollMs = 100
/** Breaking a lock takes microseconds; one who is at it for longer than this has died. */
const breakLimitMs = 10_000

/**
 * Runs `work` while holding the lock; waits for another holder, and says so once.
 *
 * @template Result
 * @param {() => Result | Promise<Result>} work
 * @returns {Promise<Result>}
 */
export async function withLock(work) {
  mkdirSync(directory, { recursive: true })
  let said = false
  while (!take(lockFile)) {
    const owner = ownerOf(lockFile)
    if (owner !== undefined && !isRunning(owner)) {
      breakLock(owner)
      continue
    }
    if (!said && owner !== undefined)
      console.error(`faultline: waiting for process ${owner}, which installs or builds`)
    said = true
    await sleep(pollMs)
  }
  try {
    return await work()
  } finally {
    rmSync(lockFile, { force: true })
  }
}

/** Creates `file` with this process as its owner; false where it exists. */
function take(file) {
  const mine = join(directory, `lock.${process.pid}`)
  writeFileSync(mine, String(process.pid))
  try {
    linkSync(mine, file)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(mine, { force: true })
  }
}

/**
 * Removes the lock of a dead owner. Only one may do that at a time, or the second would remove its successor's lock.
 */
function breakLock(deadOwner) {
  if (!take(breakFile)) {
    const age = Date.now() - (statSync(breakFile, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
    if (age > breakLimitMs) rmSync(breakFile, { force: true })
    return
  }
  try {
    if (ownerOf(lockFile) === deadOwner) rmSync(lockFile, { force: true })
  } finally {
    rmSync(breakFile, { force: true })
  }
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined // released meanwhile
  }
}

function isRunning(processId) {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

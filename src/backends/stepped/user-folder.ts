// Folders for what is kept between processes, among temporary files.

import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { SteppingRefused } from './refusal.ts'

/** A folder of this user, made unless it is there. Throws SteppingRefused where others can put something into it. */
export function userFolder(name: string): string {
  const { uid } = userInfo()
  const folder = join(tmpdir(), `faultline-${name}-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const found = lstatSync(folder)
  // There are no such numbers on Windows, where each user has a folder for temporary files.
  const isOwn = uid < 0 || (found.uid === uid && (found.mode & 0o077) === 0)
  if (!found.isDirectory() || !isOwn)
    throw new SteppingRefused(folder, 1, 'others can put something into it', 'remove it, or set TMPDIR')
  return folder
}

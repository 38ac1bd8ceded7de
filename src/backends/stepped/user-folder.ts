// Folders for what is kept between processes, among temporary files.

import { lstatSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
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

/** A file with a text whose name tells what is in it. Returns its path. */
export function keepText(name: string, text: string): string {
  const file = join(userFolder('texts'), name)
  // Whole or not at all: others may read or write the same.
  const draft = `${file}.${process.pid}.${threadId}`
  writeFileSync(draft, text)
  renameSync(draft, file)
  return file
}

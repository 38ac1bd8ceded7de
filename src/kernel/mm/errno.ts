// The errno values that calls return, negated, as system calls of Linux do.

export const EPERM = 1
export const ENOENT = 2
export const EINTR = 4
export const EIO = 5
export const ENXIO = 6
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENFILE = 23
export const EMFILE = 24
export const ETXTBSY = 26
export const EFBIG = 27
export const ENOSPC = 28
export const EROFS = 30
export const ENAMETOOLONG = 36
export const ELOOP = 40
export const EOVERFLOW = 75
export const ESTALE = 116
export const EDQUOT = 122

const names: Readonly<Record<number, string>> = {
  [EPERM]: 'EPERM',
  [ENOENT]: 'ENOENT',
  [EINTR]: 'EINTR',
  [EIO]: 'EIO',
  [ENXIO]: 'ENXIO',
  [EBADF]: 'EBADF',
  [EAGAIN]: 'EAGAIN',
  [ENOMEM]: 'ENOMEM',
  [EACCES]: 'EACCES',
  [EFAULT]: 'EFAULT',
  [EBUSY]: 'EBUSY',
  [EEXIST]: 'EEXIST',
  [ENODEV]: 'ENODEV',
  [ENOTDIR]: 'ENOTDIR',
  [EISDIR]: 'EISDIR',
  [EINVAL]: 'EINVAL',
  [ENFILE]: 'ENFILE',
  [EMFILE]: 'EMFILE',
  [ETXTBSY]: 'ETXTBSY',
  [EFBIG]: 'EFBIG',
  [ENOSPC]: 'ENOSPC',
  [EROFS]: 'EROFS',
  [ENAMETOOLONG]: 'ENAMETOOLONG',
  [ELOOP]: 'ELOOP',
  [EOVERFLOW]: 'EOVERFLOW',
  [ESTALE]: 'ESTALE',
  [EDQUOT]: 'EDQUOT',
}

/** The name of an errno value, such as 'ENOMEM'. */
export function errnoName(errno: number): string {
  return names[errno] ?? `errno ${errno}`
}

/** Inherits nothing: any text may be asked for. */
const numbers = Object.create(null) as Record<string, number>
for (const [errno, name] of Object.entries(names)) numbers[name] = Number(errno)

/** The errno value of a name, 0 for a name that is not known. Linux's numbers, whatever those of the host are. */
export function errnoOf(name: string): number {
  return numbers[name] ?? 0
}

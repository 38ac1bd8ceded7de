// The errno values that calls return, negated, as system calls of Linux do.

export const EPERM = 1
export const EIO = 5
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const EFBIG = 27
export const EOVERFLOW = 75

const names: Readonly<Record<number, string>> = {
  [EPERM]: 'EPERM',
  [EIO]: 'EIO',
  [EBADF]: 'EBADF',
  [EAGAIN]: 'EAGAIN',
  [ENOMEM]: 'ENOMEM',
  [EACCES]: 'EACCES',
  [EFAULT]: 'EFAULT',
  [EBUSY]: 'EBUSY',
  [EEXIST]: 'EEXIST',
  [ENODEV]: 'ENODEV',
  [EINVAL]: 'EINVAL',
  [EFBIG]: 'EFBIG',
  [EOVERFLOW]: 'EOVERFLOW',
}

/** The name of an errno value, such as 'ENOMEM'. */
export function errnoName(errno: number): string {
  return names[errno] ?? `errno ${errno}`
}

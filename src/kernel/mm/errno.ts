// The errno values that calls return, negated, as system calls of Linux do.

export const EPERM = 1
export const ENOENT = 2
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EEXIST = 17
export const ENODEV = 19
export const EINVAL = 22
export const EOVERFLOW = 75

const names: Readonly<Record<number, string>> = {
  [EPERM]: 'EPERM',
  [ENOENT]: 'ENOENT',
  [EAGAIN]: 'EAGAIN',
  [ENOMEM]: 'ENOMEM',
  [EACCES]: 'EACCES',
  [EFAULT]: 'EFAULT',
  [EEXIST]: 'EEXIST',
  [ENODEV]: 'ENODEV',
  [EINVAL]: 'EINVAL',
  [EOVERFLOW]: 'EOVERFLOW',
}

/** The name of an errno value, such as 'ENOMEM'. */
export function errnoName(errno: number): string {
  return names[errno] ?? `errno ${errno}`
}

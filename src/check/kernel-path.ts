/**
 * The path of a file below the kernel's source, with slashes; null for a file of anything else. What the folders above
 * the project are called makes no difference: the last `src` or `dist` of the path is the project's own.
 */
export function kernelPath(file: string): string | null {
  const path = file.replaceAll('\\', '/')
  return /^(?:.*\/)?src\/kernel\/(?!(?:.*\/)?(?:src|dist)\/)(.*)$/.exec(path)?.[1] ?? null
}

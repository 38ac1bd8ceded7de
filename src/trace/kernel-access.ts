// Which system call the kernel was in when it took a fault for the program.

/** What the functions of Linux that copy to and from a program are called by; names of 6.18, and of some before. */
const CALLS: readonly (readonly [RegExp, string])[] = [
  [/^(?:_?copy_to_iter|copy_page_to_iter|copyout|copy_folio_to_iter)/, 'read'],
  [
    /^(?:copy_(?:folio|page)_from_iter|_?copy_from_iter|copyin|fault_in_(?:iov_iter_)?readable|fault_in_subpage)/,
    'write',
  ],
  [/^(?:elf_load|load_elf|create_elf|copy_strings|strnlen_user)/, 'execve'],
  [/(?:fpstate|sigframe|rt_frame)/, 'signal delivery'],
]

/** The call, as the function that took the fault tells it: a guess where the call itself is not recorded. */
export function callOfFunction(name: string): string {
  return CALLS.find(([pattern]) => pattern.test(name))?.[1] ?? 'system call'
}

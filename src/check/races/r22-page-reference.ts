// Race R22: page references and aborted faults.

import type { Race } from './race.ts'

export const pageReference: Race = {
  number: 'R22',
  title: 'A reference on a page that is never given back',
  story:
    'The speculative fault on a file takes a reference on the page in the page cache, finds that it cannot go on, and returns without giving it back: the page is never reclaimed. The branch of 2021 had it on five ways out; a downstream tree has the fix (“fix missing put_page in speculative filemap”).',
  fix: 'Every way out undoes what was done (invariant I11).',
  exhibits: [
    {
      had: 'Lespinasse 2021, the branch with files; here with a fault that comes too late and keeps its reference',
      scenario: 'file-fault-fault',
      design: 'lespinasse-2021-file',
      mutant: 'file-reference-kept',
      fails: 'error',
      message: /references|never freed/,
      shows: /^(page\[|pte\[)/,
    },
  ],
  holds: [{ scenario: 'file-fault-fault', design: 'lespinasse-2021-file', complete: false }],
}

// A machine to record on that is a folder: its /proc, /sys and /etc, and a perf that is a script.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after } from 'node:test'
import type { Host } from '../../src/record/index.ts'
import { recordedEvents } from '../../src/trace/errors.ts'

const ALL_CAPABILITIES = '000001ffffffffff'

export interface FakeHost extends Host {
  /** A folder to write to. */
  readonly work: string
}

interface Peculiarities {
  /** Shell commands that perf is, without the first argument, by what that is; null: there is none. */
  readonly perf?: { readonly version?: string; readonly record?: string; readonly script?: string } | null
  readonly events?: readonly string[] | null
  readonly paranoid?: number | null
  readonly capabilities?: string
  readonly osRelease?: string
  readonly isContainer?: boolean
  readonly user?: number
  readonly platform?: string
  readonly freeMemory?: number
  /** Other files, and what is in them. */
  readonly files?: Readonly<Record<string, string>>
}

const folders: string[] = []
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })))

/** One line of each kind that a fake perf prints. */
export const LINE =
  'a 7/7 [000] 1.000001: exceptions:page_fault_user: address=0x1000 ip=0x2000 error_code=0x6'
const LOST = 'a 7/7 [000] 1.000002: PERF_RECORD_LOST lost 5'

/**
 * What perf does to record: an event, five lost ones where the condition holds, and the command; like perf it ends as
 * the command does.
 */
export function recording(isLosing = 'false'): string {
  return `printf '%s\\n' '${LINE}' > "$file"
  if ${isLosing}; then printf '%s\\n' '${LOST}' >> "$file"; fi
  "$@"
  code=$?
  if [ $code -gt 128 ]; then kill -$((code - 128)) $$; fi
  exit $code`
}
const SCRIPT = 'cat "$file"'

/** Makes such a machine; it is taken away when the tests of the file have ended. */
export function fakeHost(peculiarities: Peculiarities = {}): FakeHost {
  const root = mkdtempSync(join(tmpdir(), 'faultline-host-'))
  folders.push(root)
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode })
  }
  const { events = recordedEvents, paranoid = 2, perf = {}, capabilities = ALL_CAPABILITIES } = peculiarities
  for (const event of events ?? [])
    write(join('sys/kernel/tracing/events', event.replace(':', '/'), 'id'), '1')
  if (paranoid !== null) write('proc/sys/kernel/perf_event_paranoid', `${paranoid}\n`)
  write('proc/self/status', `Name:\tnode\nCapEff:\t${capabilities}\n`)
  write('etc/os-release', peculiarities.osRelease ?? 'ID=debian\n')
  if (peculiarities.isContainer === true) write('.dockerenv', '')
  for (const [path, text] of Object.entries(peculiarities.files ?? {})) write(path, text)
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'work'))
  if (perf !== null) write('bin/perf', perfScript(root, perf), 0o755)
  return {
    platform: peculiarities.platform ?? 'linux',
    root,
    path: join(root, 'bin'),
    cpus: 2,
    freeMemory: peculiarities.freeMemory ?? 2 ** 33,
    user: peculiarities.user ?? 0,
    owner: null,
    work: join(root, 'work'),
  }
}

/** Writes down what it is called with, finds its file, and leaves the command in "$@". */
function perfScript(
  root: string,
  {
    version = ':',
    record = recording(),
    script = SCRIPT,
  }: object & {
    version?: string
    record?: string
    script?: string
  },
): string {
  return `#!/bin/sh
printf '%s\\n' "$*" >> '${root}/calls'
what=$1
all="$*"
while [ $# -gt 0 ]; do
  case $1 in
    -o|-i) file=$2; shift 2;;
    -m) buffer=$2; shift 2;;
    --) shift; break;;
    *) shift;;
  esac
done
case $what in
  --version) ${version};;
  record) ${record};;
  script) ${script};;
esac
`
}

// How to get what is missing, by distribution, and in a container.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CAP_SYS_ADMIN, hasCapability, type Host, textOf } from './host.ts'

/** Commands that install perf, by the ID of os-release(5). */
const INSTALL_PERF = new Map<string, string>([
  ['debian', 'sudo apt install linux-perf'],
  ['ubuntu', 'sudo apt install linux-tools-$(uname -r)'],
  ['fedora', 'sudo dnf install perf'],
  ['rhel', 'sudo dnf install perf'],
  ['centos', 'sudo dnf install perf'],
  ['amzn', 'sudo dnf install perf'],
  ['azurelinux', 'sudo tdnf install kernel-tools'],
  ['mariner', 'sudo tdnf install kernel-tools'],
  ['photon', 'sudo tdnf install linux-tools'],
  ['opensuse', 'sudo zypper install perf'],
  ['suse', 'sudo zypper install perf'],
  ['sles', 'sudo zypper install perf'],
  ['arch', 'sudo pacman -S perf'],
  ['alpine', 'apk add perf'],
  ['gentoo', 'sudo emerge dev-util/perf'],
  ['void', 'sudo xbps-install perf'],
  ['nixos', 'nix-shell -p linuxPackages.perf'],
])

/** How perf is installed here. */
export function howToInstallPerf(host: Host): string {
  for (const id of distributionsOf(host)) {
    const command = INSTALL_PERF.get(id)
    if (command !== undefined) return `install it: ${command}`
  }
  return 'install the package of your distribution that has perf (linux-perf, linux-tools or perf)'
}

/** The distribution, and what it descends from, nearest first. */
function distributionsOf(host: Host): string[] {
  const text = textOf(host, 'etc/os-release') ?? textOf(host, 'usr/lib/os-release') ?? ''
  const valueOf = (key: string): string =>
    new RegExp(`^${key}=["']?([a-z0-9 ._-]*)["']?$`, 'm').exec(text)?.[1] ?? ''
  return `${valueOf('ID')} ${valueOf('ID_LIKE')}`.split(' ').filter((id) => id !== '')
}

/** Docker and Podman leave these files. */
export function isContainer(host: Host): boolean {
  return ['.dockerenv', 'run/.containerenv'].some((path) => existsSync(join(host.root, path)))
}

const IN_CONTAINER =
  'record on the host, with the process number there (faultline record -p PID), or start the ' +
  'container with --cap-add PERFMON -v /sys/kernel/tracing:/sys/kernel/tracing:ro --user root'

const MOUNT = 'mount -t tracefs nodev /sys/kernel/tracing'

/** How to be allowed to record. */
export function howToBeAllowed(host: Host): string {
  if (isContainer(host)) return host.user === 0 ? IN_CONTAINER : `try as root; otherwise ${IN_CONTAINER}`
  if (host.user === 0) return 'give the process CAP_PERFMON, or record outside its sandbox'
  return (
    'put sudo env "PATH=$PATH" before the command, or allow it to all users until the next boot: sudo sysctl ' +
    'kernel.perf_event_paranoid=-1 && sudo mount -o remount,mode=755 /sys/kernel/tracing'
  )
}

/** How to get at tracefs where it is not mounted. */
export function howToMount(host: Host): string {
  // A container with the capability, as by --privileged, may mount it itself.
  if (host.user === 0 && hasCapability(host, CAP_SYS_ADMIN)) return `mount it: ${MOUNT}`
  return isContainer(host) ? IN_CONTAINER : `mount it: sudo ${MOUNT}`
}

/** How to be allowed to read tracefs. */
export function howToRead(host: Host): string {
  if (isContainer(host)) return IN_CONTAINER
  return 'put sudo env "PATH=$PATH" before the command, or: sudo mount -o remount,mode=755 /sys/kernel/tracing'
}

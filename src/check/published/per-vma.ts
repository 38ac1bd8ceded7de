// The per-VMA locks of Linux as they were published.

import { PerVmaLock2023, PerVmaRefcount2025 } from '../../kernel/index.ts'

/** v4, 27 February 2023; Linux 6.4. */
export class PerVmaLock2023Published extends PerVmaLock2023 {
  /** fork does not lock the VMAs of the parent (race R27; fixed by commit fb49c455323f). */
  override forkBegin(): void {}

  /** The anon_vma may be removed after the check, and is created again (race R23; commit 657b5146955e). */
  protected override keeps(): boolean {
    return true
  }

  override preparesAnonVma(): boolean {
    return true
  }
}

/** v10, 13 February 2025; Linux 6.15. */
export class PerVmaRefcount2025Published extends PerVmaRefcount2025 {
  /** The last fault may wake the writer of an mm that no longer exists (race R25). */
  override readonly freesMmRcu = false
}

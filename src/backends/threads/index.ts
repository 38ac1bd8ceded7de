// The threads backend: the kernel on worker threads.

// oxlint-disable-next-line import/no-unassigned-import -- it is there for what it throws
import './node-version.ts'

export { AddressSpace, type AddressSpaceHandle } from './address-space.ts'
export type {
  AddressSpaceOptions,
  Advice,
  Limit,
  LockAllOptions,
  MapOptions,
  MappedSize,
  Mapping,
  Observer,
  RemapOptions,
} from './address-space-options.ts'
export type { FilePath } from './arguments.ts'
export { DiskFile, type DiskFileHandle, type OpenFileOptions } from './disk-file.ts'
export { ConfigurationError, MemoryError, OutOfMemory } from './errors.ts'
/** @internal For the thread that writes files back; not part of the interface. */
export { type FlusherTask, runFlusher } from './flusher.ts'
export type { MachineHandle } from './handles.ts'
export { Heap, type HeapOptions, type HeapUsage } from './heap.ts'
export { Machine, type MachineUsage } from './machine.ts'
export type {
  DesignName,
  MachineOptions,
  OvercommitMode,
  RssMode,
  RwsemKind,
  SwapOptions,
  WritebackOptions,
} from './machine-options.ts'
export { MachineFile } from './machine-file.ts'
export type { DetachOptions } from './machine-thread.ts'
export { ADDRESS_LIMIT, TOUCH_LOCKED_MM, TOUCH_SPECULATIVE } from './memory-access.ts'
export { MemoryFile, type MemoryFileHandle, type MemoryFileOptions } from './memory-file.ts'
export { MmuNotifier } from './mmu-notifier.ts'
export type { Protection } from './protection.ts'
export { type RangeAccessMode, RangeMisuse } from './range-access.ts'
export { type FieldKind, type FieldValue, type RecordType, type RecordView, defineRecord } from './record.ts'
export { type Size, parseSize } from './size.ts'
export { Snapshot, type SnapshotRange } from './snapshot.ts'
export { type Storage, type StorageFile, fileSystem } from './storage.ts'
export {
  type AccessKind,
  BusError,
  CpuLostError,
  type DesignDescription,
  type KernelConfig,
  KernelBug,
  KernelReentryError,
  SegmentationFault,
  defaultKernelConfig,
} from '../../kernel/index.ts'

// The conformance suite on the real kernel: performs sequences of calls and accesses and tells what each did.
//
// One line of standard input is one sequence: steps separated by ';', each the name of an operation and its numbers.
// The answer has one line for each step and one more. A step's line is
//
//   RESULT [FAULTS]|MAPPINGS|RESIDENT
//
// of the process that performed it, where MAPPINGS and RESIDENT are '=' when they are what they were after its step
// before. FAULTS is how many minor faults it took, and with '+' how many major ones. Behind the last step each process
// has a line, the youngest first, which tells MAPPINGS, RESIDENT and what every page of every mapping holds. The answer
// ends with a full stop.
//
// A sequence is performed by processes and threads in turn: `fork` makes a process, `switch` and `thread` say who goes
// on. Whoever waits sleeps; so nothing runs at the same time, but for what `together` does.
//
// Each sequence has a child of its own, so that every one starts from the same state. The child's address space is
// full, but for two windows: the arena, and the heap behind the break. So the kernel, when it chooses an address, has
// no choice but these, and a call that goes wrong cannot hit this program. Addresses are told and taken as positions:
// the arena begins at 0, the heap at HEAP_POSITION, and LIMIT_POSITION is the first address that no program can have.
//
// A child must not allocate: its memory is static, and it does without stdio and malloc, which would move the break.
//
// A processor may have protection keys, which make what may only be executed unreadable. Whether it has, is told in the
// beginning; "used-up" as the second argument takes all keys away first, and then it is as if there were none.
//
// A read of anonymous memory maps the zero page or, where the kernel forbids that, takes a page of its own. That
// is told as well.
//
// An operation is one function and one line of the table `operations`; its twin is in operations.ts.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SEGV_PKUERR
#define SEGV_PKUERR 4
#endif

#define PAGE 4096ul
#define ARENA 0x3ffffffc000ul
#define ARENA_PAGES 1060
#define HEAP_POSITION 0x10000000ul
#define HEAP_PAGES 32
#define LIMIT_POSITION 0x20000000ul
#define STACK_LIMIT_PAGES 24
#define MEMLOCK_LIMIT (8ul << 20)
#define MAX_ARGUMENTS 8
// How far from the stack pointer an instruction may look.
#define REACH (1ul << 16)
#define MAX_STEPS 512
#define MAX_THREADS 4
#define MAX_PROCESSES 5
// In which a sequence is done; it takes microseconds.
#define SECONDS 30
#define FILES 4
// The number of the file that is open for reading only.
#define READ_ONLY 4
// That of the file on which two threads work together.
#define WORKED_ON 3

// What the files hold at the beginning of each sequence; as in faultline.ts.
static const struct { unsigned long size, filled; } files[FILES] = {
  { 5 * PAGE, 5 * PAGE },
  { 2 * PAGE + 100, 2 * PAGE + 100 },
  { 8 * PAGE, PAGE },
  { 5 * PAGE + 200, 5 * PAGE + 200 },
};
static int file_descriptors[FILES];
// A file that system calls read a byte from and write one to: it is mapped nowhere.
static int scratch_file;

static char input[1 << 20];
static size_t input_length;
static char *output;
static size_t output_size = 8 << 20;

// What the processes of a sequence share, and the one that started them.
static struct shared {
  size_t output_length;
  // The step that is next and who performs it, see turn_of(). Who waits sleeps on it.
  uint32_t turn;
  // Who performs the step behind: a process, and a thread of it.
  unsigned process, thread;
  // Processes that there have been, those that there are, and who made them.
  unsigned processes, alive, parents[MAX_PROCESSES];
  // A process that ends with this step or ended with the one before, or 0; and the kernel's numbers for them.
  unsigned ends, ended;
  pid_t pids[MAX_PROCESSES];
  // What has been found out about protection keys, see probe_keys().
  unsigned keys_left;
  int load_code;
} *shared;

static unsigned long limit, heap_start;
static int maps_file, status_file, page_map_file;
// How much a program may be allowed to lock.
static rlim_t memlock_most;

static void stop(const char *message)
{
  static const char prefix[] = "conformance: ";
  if (write(2, prefix, sizeof prefix - 1) < 0 || write(2, message, strlen(message)) < 0 || write(2, "\n", 1) < 0) {
  }
  _exit(2);
}

// ---------------------------------------------------------------------------------------------------------------------
// Text

static void put(const char *text)
{
  size_t length = strlen(text);
  if (shared->output_length + length > output_size) stop("too much output");
  memcpy(output + shared->output_length, text, length);
  shared->output_length += length;
}

static void put_number(unsigned long value, unsigned base)
{
  char text[24], *at = text + sizeof text - 1;
  *at = 0;
  do *--at = "0123456789abcdef"[value % base];
  while ((value /= base) != 0);
  put(at);
}

static const char *errno_name(int number)
{
  static char other[16] = "errno ";
  switch (number) {
  case EPERM: return "EPERM";
  case EAGAIN: return "EAGAIN";
  case ENOMEM: return "ENOMEM";
  case EACCES: return "EACCES";
  case EFAULT: return "EFAULT";
  case EEXIST: return "EEXIST";
  case ENODEV: return "ENODEV";
  case EINVAL: return "EINVAL";
  case EOVERFLOW: return "EOVERFLOW";
  case EBADF: return "EBADF";
  case EBUSY: return "EBUSY";
  }
  other[6] = (char)('0' + number / 100), other[7] = (char)('0' + number / 10 % 10);
  other[8] = (char)('0' + number % 10), other[9] = 0;
  return other;
}

static unsigned long address_of(unsigned long position)
{
  if (position >= LIMIT_POSITION) return limit + (position - LIMIT_POSITION);
  if (position >= HEAP_POSITION) return heap_start + (position - HEAP_POSITION);
  return ARENA + position;
}

static unsigned long position_of(unsigned long address)
{
  if (address >= limit) return LIMIT_POSITION + (address - limit);
  if (address >= heap_start && address < heap_start + (HEAP_PAGES + 1) * PAGE) {
    return HEAP_POSITION + (address - heap_start);
  }
  return address - ARENA;
}

static void put_position(unsigned long address)
{
  put_number(position_of(address), 16);
}

static void put_result(long result)
{
  put(result == -1 ? errno_name(errno) : "0");
}

static void put_address(void *address)
{
  if (address == MAP_FAILED) put(errno_name(errno));
  else put_position((unsigned long)address);
}

// ---------------------------------------------------------------------------------------------------------------------
// Accesses that may fail

static sigjmp_buf after_access;
static char *volatile nowhere;
static volatile int signal_number, signal_code;
static volatile unsigned long signal_address, signal_instruction;
// How many traps of single steps are still to be passed over.
static volatile int steps_to_take;

struct faults {
  long minor, major;
};

static struct faults faults_before, faults_after;

static void faults_taken(struct faults *faults)
{
  struct rusage usage;
  syscall(SYS_getrusage, RUSAGE_THREAD, &usage);
  faults->minor = usage.ru_minflt;
  faults->major = usage.ru_majflt;
}

// Where signals are handled.
#define SIGNAL_STACK (1 << 15)
static char signal_stacks[MAX_THREADS][SIGNAL_STACK];

// Begins to count. What this program itself would fault at is used first: its own memory after a fork, and the way
// through the handler.
static void count_faults(void)
{
  volatile char *stack = signal_stacks[shared->thread];
  for (unsigned long at = SIGNAL_STACK / 2; at < SIGNAL_STACK; at += PAGE / 2) stack[at] = 0;
  if (sigsetjmp(after_access, 0) == 0) {
    (void)*(volatile char *)nowhere;
    stop("there is memory where there should be none");
  }
  faults_taken(&faults_before);
  faults_taken(&faults_before);
}

static void put_faults(void)
{
  put(" ");
  put_number((unsigned long)(faults_after.minor - faults_before.minor), 10);
  long major = faults_after.major - faults_before.major;
  if (major != 0) put("+"), put_number((unsigned long)major, 10);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
  if (number == SIGTRAP && steps_to_take > 0) {
    steps_to_take--;
    return;
  }
  faults_taken(&faults_after);
  signal_number = number;
  signal_code = info->si_code;
  signal_address = (unsigned long)info->si_addr;
#ifdef __x86_64__
  signal_instruction = (unsigned long)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
  (void)context;
#endif
  siglongjmp(after_access, 1);
}

static void put_signal(void)
{
  if (signal_number == SIGBUS) put(signal_code == BUS_ADRERR ? "BUS_ADRERR" : "SIGBUS");
  else if (signal_number == SIGSEGV && signal_code == SEGV_MAPERR) put("SEGV_MAPERR");
  else if (signal_number == SIGSEGV && signal_code == SEGV_ACCERR) put("SEGV_ACCERR");
  else if (signal_number == SIGSEGV && signal_code == SEGV_PKUERR) put("SEGV_PKUERR");
  else put("signal "), put_number((unsigned long)signal_number, 10);
  put("@");
  put_position(signal_address);
}

// Runs `access`; prints the signal that it raised, or leaves printing to `then`; and then how many faults it took.
#define ACCESS(access, then)                                                                                           \
  do {                                                                                                                 \
    count_faults();                                                                                                    \
    if (sigsetjmp(after_access, 0) == 0) {                                                                             \
      access;                                                                                                          \
      faults_taken(&faults_after);                                                                                     \
      then;                                                                                                            \
    } else {                                                                                                           \
      put_signal();                                                                                                    \
    }                                                                                                                  \
    put_faults();                                                                                                      \
  } while (0)

static uint32_t mix(uint32_t hash, uint32_t value)
{
  return (hash ^ value) * 0x01000193u;
}

// ---------------------------------------------------------------------------------------------------------------------
// The operations

enum {
  MMAP_FIXED = 1,
  MMAP_NOREPLACE = 2,
  MMAP_POPULATE = 4,
  MMAP_NORESERVE = 8,
  MMAP_GROWSDOWN = 16,
  MMAP_SHARED = 32,
  MMAP_HINT = 64,
  MMAP_LOCKED = 128,
};

// mmap POSITION LENGTH PROTECTION FLAGS FILE OFFSET
static void do_mmap(const unsigned long *argument)
{
  unsigned long flags = argument[3];
  int file = argument[4] == 0 ? -1 : file_descriptors[argument[4] - 1];
  int kernel_flags = flags & MMAP_SHARED ? MAP_SHARED : MAP_PRIVATE;
  if (file == -1) kernel_flags |= MAP_ANONYMOUS;
  if (flags & MMAP_FIXED) kernel_flags |= MAP_FIXED;
  if (flags & MMAP_NOREPLACE) kernel_flags |= MAP_FIXED_NOREPLACE;
  if (flags & MMAP_POPULATE) kernel_flags |= MAP_POPULATE;
  if (flags & MMAP_NORESERVE) kernel_flags |= MAP_NORESERVE;
  if (flags & MMAP_GROWSDOWN) kernel_flags |= MAP_GROWSDOWN;
  if (flags & MMAP_LOCKED) kernel_flags |= MAP_LOCKED;
  bool placed = flags & (MMAP_FIXED | MMAP_NOREPLACE | MMAP_HINT);
  // The kernel's own numbers of PROT_READ, PROT_WRITE and PROT_EXEC are ours.
  long result = syscall(SYS_mmap, placed ? address_of(argument[0]) : 0, argument[1], argument[2], kernel_flags, file,
                        argument[5]);
  put_address((void *)result);
}

// munmap POSITION LENGTH
static void do_munmap(const unsigned long *argument)
{
  put_result(syscall(SYS_munmap, address_of(argument[0]), argument[1]));
}

// mprotect POSITION LENGTH PROTECTION
static void do_mprotect(const unsigned long *argument)
{
  put_result(syscall(SYS_mprotect, address_of(argument[0]), argument[1], argument[2]));
}

// madvise POSITION LENGTH ADVICE
static void do_madvise(const unsigned long *argument)
{
  count_faults();
  long result = syscall(SYS_madvise, address_of(argument[0]), argument[1], argument[2]);
  faults_taken(&faults_after);
  put_result(result);
  // Of advice to populate.
  if (result == 0) put_faults();
}

// mremap POSITION OLD_LENGTH NEW_LENGTH FLAGS TARGET, which counts with FIXED
static void do_mremap(const unsigned long *argument)
{
  // The kernel's numbers: MAYMOVE 1, FIXED 2, DONTUNMAP 4.
  unsigned long target = argument[3] & 2 ? address_of(argument[4]) : 0;
  long result = syscall(SYS_mremap, address_of(argument[0]), argument[1], argument[2], argument[3], target);
  put_address((void *)result);
}

// mlock POSITION LENGTH ONFAULT
static void do_mlock(const unsigned long *argument)
{
  unsigned long at = address_of(argument[0]);
  put_result(argument[2] ? syscall(SYS_mlock2, at, argument[1], MLOCK_ONFAULT) : syscall(SYS_mlock, at, argument[1]));
}

// munlock POSITION LENGTH
static void do_munlock(const unsigned long *argument)
{
  put_result(syscall(SYS_munlock, address_of(argument[0]), argument[1]));
}

// mlockall FLAGS, the kernel's
static void do_mlockall(const unsigned long *argument)
{
  put_result(syscall(SYS_mlockall, argument[0]));
}

// munlockall
static void do_munlockall(const unsigned long *argument)
{
  (void)argument;
  put_result(syscall(SYS_munlockall));
}

// msync POSITION LENGTH MODE: 0 sync, 1 async, 2 invalidate
static void do_msync(const unsigned long *argument)
{
  static const int modes[] = { MS_SYNC, MS_ASYNC, MS_INVALIDATE };
  put_result(syscall(SYS_msync, address_of(argument[0]), argument[1], modes[argument[2]]));
}

// What /proc/self/status tells in pages, in this order.
static const char *const sizes[] = { "\nVmSize:", "\nVmData:", "\nVmStk:", "\nVmLib:", "\nVmLck:" };
enum { SIZE_ALL, SIZE_DATA, SIZES = sizeof sizes / sizeof *sizes };
static long sizes_before[SIZES];

static void read_sizes(long *found)
{
  static char text[1 << 13];
  if (lseek(status_file, 0, SEEK_SET) != 0) stop("cannot rewind /proc/self/status");
  long length = read(status_file, text, sizeof text - 1);
  if (length <= 0) stop("cannot read /proc/self/status");
  text[length] = 0;
  for (unsigned each = 0; each < SIZES; each++) {
    const char *at = strstr(text, sizes[each]);
    if (at == NULL) stop("a size is missing in /proc/self/status");
    found[each] = strtol(at + strlen(sizes[each]), NULL, 10) * 1024 / (long)PAGE;
  }
}

// sizes: how much more is mapped than in the beginning
static void do_sizes(const unsigned long *argument)
{
  (void)argument;
  long now[SIZES];
  read_sizes(now);
  for (unsigned each = 0; each < SIZES; each++) {
    long more = now[each] - sizes_before[each];
    if (each != 0) put(",");
    if (more < 0) put("-");
    put_number((unsigned long)(more < 0 ? -more : more), 10);
  }
}

enum { LIMIT_AS, LIMIT_DATA, LIMIT_STACK, LIMIT_MEMLOCK, LIMIT_MEMLOCK_MOST };

// limit WHICH BYTES: of AS and DATA, beyond what is mapped now
static void do_limit(const unsigned long *argument)
{
  static const int resources[] = { RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK, RLIMIT_MEMLOCK };
  int resource = resources[argument[0]];
  struct rlimit limits;
  if (getrlimit(resource, &limits) != 0) stop("getrlimit");
  long now[SIZES];
  read_sizes(now);
  limits.rlim_cur = argument[1];
  if (argument[0] == LIMIT_AS) limits.rlim_cur += (unsigned long)now[SIZE_ALL] * PAGE;
  if (argument[0] == LIMIT_DATA) limits.rlim_cur += (unsigned long)now[SIZE_DATA] * PAGE;
  if (argument[0] == LIMIT_MEMLOCK_MOST) limits.rlim_cur = memlock_most;
  put_result(setrlimit(resource, &limits));
}

// PAGEMAP_SCAN of Linux 6.7: what is in the page tables.
struct scan_region {
  uint64_t start, end, categories;
};
struct scan_request {
  uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
  uint64_t category_inverted, category_mask, category_any, return_mask;
};
#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct scan_request)
#define SCANNED_FILE 0x4
#define SCANNED_PRESENT 0x8
#define SCANNED_ZERO_PAGE 0x20

// Counts the pages in the page tables of a window: those of the process alone, and those of files.
static void count_mapped(unsigned long start, unsigned long pages, unsigned long *own, unsigned long *of_files)
{
  static struct scan_region regions[ARENA_PAGES];
  struct scan_request request = { .size = sizeof request, .start = start, .end = start + pages * PAGE,
    .regions = (uint64_t)regions, .region_count = ARENA_PAGES, .category_mask = SCANNED_PRESENT,
    .return_mask = SCANNED_PRESENT | SCANNED_FILE | SCANNED_ZERO_PAGE };
  int found = ioctl(page_map_file, PAGEMAP_SCAN_IOCTL, &request);
  if (found < 0) stop("cannot look into the page tables, which needs Linux 6.7");
  for (int each = 0; each < found; each++) {
    unsigned long length = (regions[each].end - regions[each].start) / PAGE;
    if (regions[each].categories & SCANNED_FILE) *of_files += length;
    else if (!(regions[each].categories & SCANNED_ZERO_PAGE)) *own += length;
  }
}

// rss: how many pages are mapped in the page tables, of the process alone and of files, without the zero page
static void do_rss(const unsigned long *argument)
{
  (void)argument;
  unsigned long own = 0, of_files = 0;
  count_mapped(ARENA, ARENA_PAGES, &own, &of_files);
  count_mapped(heap_start, HEAP_PAGES, &own, &of_files);
  put_number(own, 10);
  put(",");
  put_number(of_files, 10);
}

// mincore POSITION LENGTH
static void do_mincore(const unsigned long *argument)
{
  static unsigned char resident[2 * ARENA_PAGES];
  unsigned long pages = (argument[1] + PAGE - 1) / PAGE;
  if (pages > sizeof resident) stop("mincore of too many pages");
  if (syscall(SYS_mincore, address_of(argument[0]), argument[1], resident) == -1) {
    put(errno_name(errno));
    return;
  }
  char digit[2] = "";
  for (unsigned long page = 0; page < pages; page++) digit[0] = (char)('0' + (resident[page] & 1)), put(digit);
}

// brk BYTES, from the beginning of the heap
static void do_brk(const unsigned long *argument)
{
  put_position((unsigned long)syscall(SYS_brk, heap_start + argument[0]));
}

// load POSITION WIDTH
static void do_load(const unsigned long *argument)
{
  volatile void *at = (volatile void *)address_of(argument[0]);
  volatile uint64_t value = 0;
  ACCESS(
    switch (argument[1]) {
    case 1: value = *(volatile uint8_t *)at; break;
    case 2: value = *(volatile uint16_t *)at; break;
    case 4: value = *(volatile uint32_t *)at; break;
    default: value = *(volatile uint64_t *)at;
    },
    put_number(value, 16));
}

// store POSITION WIDTH VALUE
static void do_store(const unsigned long *argument)
{
  volatile void *at = (volatile void *)address_of(argument[0]);
  uint64_t value = (uint32_t)argument[2] | (uint64_t)(uint32_t)~argument[2] << 32;
  ACCESS(
    switch (argument[1]) {
    case 1: *(volatile uint8_t *)at = (uint8_t)value; break;
    case 2: *(volatile uint16_t *)at = (uint16_t)value; break;
    case 4: *(volatile uint32_t *)at = (uint32_t)value; break;
    default: *(volatile uint64_t *)at = value;
    },
    put("0"));
}

// read POSITION LENGTH
static void do_read(const unsigned long *argument)
{
  volatile const uint8_t *at = (volatile const uint8_t *)address_of(argument[0]);
  volatile uint32_t hash = 0;
  ACCESS(
    uint32_t sum = 0;
    for (unsigned long byte = 0; byte < argument[1]; byte++) sum = mix(sum, at[byte]);
    hash = sum,
    put_number(hash, 16));
}

// write POSITION LENGTH SEED
static void do_write(const unsigned long *argument)
{
  volatile uint8_t *at = (volatile uint8_t *)address_of(argument[0]);
  ACCESS(
    for (unsigned long byte = 0; byte < argument[1]; byte++) at[byte] = (uint8_t)(argument[2] + byte * 7),
    put("0"));
}

// fill POSITION LENGTH BYTE
static void do_fill(const unsigned long *argument)
{
  volatile uint8_t *at = (volatile uint8_t *)address_of(argument[0]);
  ACCESS(
    for (unsigned long byte = 0; byte < argument[1]; byte++) at[byte] = (uint8_t)argument[2],
    put("0"));
}

// add POSITION VALUE, to an aligned word
static void do_add(const unsigned long *argument)
{
  uint32_t *at = (uint32_t *)address_of(argument[0]);
  volatile uint32_t value = 0;
  ACCESS(value = __atomic_fetch_add(at, (uint32_t)argument[1], __ATOMIC_SEQ_CST), put_number(value, 16));
}

// exchange POSITION EXPECTED VALUE: compare and exchange of an aligned word
static void do_exchange(const unsigned long *argument)
{
  uint32_t *at = (uint32_t *)address_of(argument[0]);
  uint32_t expected = (uint32_t)argument[1];
  volatile uint32_t found = 0;
  ACCESS(
    __atomic_compare_exchange_n(at, &expected, (uint32_t)argument[2], false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    found = expected,
    put_number(found, 16));
}

enum { ATOMIC_SUB, ATOMIC_AND, ATOMIC_OR, ATOMIC_XOR, ATOMIC_EXCHANGE, ATOMIC_LOAD, ATOMIC_STORE, ATOMIC_KINDS };

// One instruction each: what a compiler makes of __atomic_fetch_and loads first, which is a fault of its own.
#define ATOMIC_OPERATION(kind, type, at, value, found)                                                                 \
  switch (kind) {                                                                                                      \
  case ATOMIC_SUB: found = __atomic_fetch_sub((type *)at, (type)value, __ATOMIC_SEQ_CST); break;                       \
  case ATOMIC_AND: __atomic_and_fetch((type *)at, (type)value, __ATOMIC_SEQ_CST); break;                               \
  case ATOMIC_OR: __atomic_or_fetch((type *)at, (type)value, __ATOMIC_SEQ_CST); break;                                 \
  case ATOMIC_XOR: __atomic_xor_fetch((type *)at, (type)value, __ATOMIC_SEQ_CST); break;                               \
  case ATOMIC_EXCHANGE: found = __atomic_exchange_n((type *)at, (type)value, __ATOMIC_SEQ_CST); break;                 \
  case ATOMIC_LOAD: found = __atomic_load_n((type *)at, __ATOMIC_SEQ_CST); break;                                      \
  default: __atomic_store_n((type *)at, (type)value, __ATOMIC_SEQ_CST);                                                \
  }

// atomic POSITION KIND WIDTH VALUE, aligned; tells what was there before, but for and, or, xor and store
static void do_atomic(const unsigned long *argument)
{
  volatile unsigned long at = address_of(argument[0]), kind = argument[1];
  uint64_t value = (uint32_t)argument[3] | (uint64_t)(uint32_t)~argument[3] << 32;
  volatile uint64_t found = 0;
  ACCESS(
    if (argument[2] == 4) { ATOMIC_OPERATION(kind, uint32_t, at, value, found) }
    else { ATOMIC_OPERATION(kind, uint64_t, at, value, found) },
    put_number(found, 16));
}

// copied POSITION DIRECTION BYTE: a system call copies a byte from there (0) or to there (1)
static void do_copied(const unsigned long *argument)
{
  void *at = (void *)address_of(argument[0]);
  uint8_t byte = (uint8_t)argument[2];
  if (argument[1] == 1 && pwrite(scratch_file, &byte, 1, 0) != 1) stop("cannot write a byte");
  count_faults();
  long result = syscall(argument[1] == 1 ? SYS_pread64 : SYS_pwrite64, scratch_file, at, 1l, 0l);
  faults_taken(&faults_after);
  if (result == -1) {
    put(errno_name(errno));
    return;
  }
  if (argument[1] == 0 && pread(scratch_file, &byte, 1, 0) != 1) stop("cannot read a byte");
  put_number(byte, 16);
  put_faults();
}

// execute POSITION: whether the processor can fetch an instruction there.
//
// Whatever stands there is executed in single steps, with registers that lead nowhere: so the one instruction can only
// trap, or fault itself. It was fetched unless the fault is that of its own address.
static void do_execute(const unsigned long *argument)
{
#ifdef __x86_64__
  // Some instructions that take a number of 16 bits look at the stack as far away as that, up or down.
  static _Alignas(unsigned long) unsigned char scratch[2 * REACH + 2 * PAGE];
  unsigned long *stack = (unsigned long *)(scratch + REACH + PAGE);
  volatile unsigned long at = address_of(argument[0]);
  // The trap flag takes effect one instruction late: the first trap comes after `ret`, before the target is fetched.
  steps_to_take = 1;
  // The stack that the instruction begins with, and the way back from a trap.
  for (size_t each = 0; each < sizeof scratch; each += PAGE) *(volatile unsigned char *)&scratch[each] = 0;
  *(volatile unsigned char *)&scratch[sizeof scratch - 1] = 0;
  for (int each = -32; each < 32; each++) *(volatile unsigned long *)&stack[each] = 0;
  syscall(SYS_tkill, syscall(SYS_gettid), SIGTRAP);
  steps_to_take = 1;
  count_faults();
  if (sigsetjmp(after_access, 0) == 0) {
    __asm__ volatile(
      "mov %0, %%r11\n\t"
      "mov %1, %%rsp\n\t"
      "pushq %%r11\n\t"
      "pushfq\n\t"
      "orq $0x100, (%%rsp)\n\t"
      "mov $-1, %%rax\n\t"
      "mov %%rax, %%rbx\n\t"
      "mov %%rax, %%rdx\n\t"
      "mov %%rax, %%rsi\n\t"
      "mov %%rax, %%rdi\n\t"
      "mov %%rax, %%rbp\n\t"
      "mov %%rax, %%r8\n\t"
      "mov %%rax, %%r9\n\t"
      "mov %%rax, %%r10\n\t"
      "mov %%rax, %%r11\n\t"
      "mov %%rax, %%r12\n\t"
      "mov %%rax, %%r13\n\t"
      "mov %%rax, %%r14\n\t"
      "mov %%rax, %%r15\n\t"
      "xor %%ecx, %%ecx\n\t"
      "popfq\n\t"
      "ret\n\t"
      :
      : "r"(at), "r"(stack)
      : "memory");
    __builtin_unreachable();
  }
  bool failed = signal_number == SIGSEGV || signal_number == SIGBUS;
  bool own = failed && signal_instruction == at && signal_address == at;
  if (own) put_signal();
  else put("0");
  put_faults();
#else
  (void)argument;
  stop("execute is there on x86-64 only");
#endif
}

static unsigned long file_size(unsigned long number)
{
  struct stat status;
  if (fstat(file_descriptors[number - 1], &status) != 0) stop("fstat");
  return (unsigned long)status.st_size;
}

// truncate FILE BYTES
static void do_truncate(const unsigned long *argument)
{
  put_result(ftruncate(file_descriptors[argument[0] - 1], (off_t)argument[1]));
}

// file-write FILE OFFSET LENGTH SEED, as far as the file reaches
static void do_file_write(const unsigned long *argument)
{
  static uint8_t bytes[4 * PAGE];
  if (argument[2] > sizeof bytes) stop("file-write of too many bytes");
  for (unsigned long byte = 0; byte < argument[2]; byte++) bytes[byte] = (uint8_t)(argument[3] + byte * 7);
  unsigned long size = file_size(argument[0]);
  unsigned long length = argument[1] >= size ? 0 : size - argument[1] < argument[2] ? size - argument[1] : argument[2];
  long written = pwrite(file_descriptors[argument[0] - 1], bytes, length, (off_t)argument[1]);
  if (written == -1) put(errno_name(errno));
  else put_number((unsigned long)written, 10);
}

// file-read FILE OFFSET LENGTH
static void do_file_read(const unsigned long *argument)
{
  static uint8_t bytes[4 * PAGE];
  if (argument[2] > sizeof bytes) stop("file-read of too many bytes");
  long got = pread(file_descriptors[argument[0] - 1], bytes, argument[2], (off_t)argument[1]);
  uint32_t hash = 0;
  for (long byte = 0; byte < got; byte++) hash = mix(hash, bytes[byte]);
  if (got == -1) put(errno_name(errno));
  else put_number((unsigned long)got, 10), put(":"), put_number(hash, 16);
}

// ---------------------------------------------------------------------------------------------------------------------
// What is seen of the address space

struct mapping {
  unsigned long start, end, offset;
  char protection[4];
  bool shared;
};

// PROCMAP_QUERY of Linux 6.11: what /proc/PID/maps says, asked for one mapping at a time.
struct procmap_query {
  uint64_t size, query_flags, query_addr;
  uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
  uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
  uint64_t vma_name_addr, build_id_addr;
};
#define PROCMAP_QUERY_IOCTL _IOWR('f', 17, struct procmap_query)
#define PROCMAP_COVERING_OR_NEXT 0x10

static bool query_works;

static bool query_mapping(unsigned long address, struct mapping *mapping)
{
  struct procmap_query query = {
    .size = sizeof query, .query_flags = PROCMAP_COVERING_OR_NEXT, .query_addr = address };
  if (ioctl(maps_file, PROCMAP_QUERY_IOCTL, &query) != 0) return false;
  mapping->start = query.vma_start;
  mapping->end = query.vma_end;
  mapping->offset = query.vma_offset;
  mapping->protection[0] = query.vma_flags & 1 ? 'r' : '-';
  mapping->protection[1] = query.vma_flags & 2 ? 'w' : '-';
  mapping->protection[2] = query.vma_flags & 4 ? 'x' : '-';
  mapping->shared = query.vma_flags & 8;
  return true;
}

static char maps_text[1 << 16];

static const char *read_maps(void)
{
  size_t length = 0;
  if (lseek(maps_file, 0, SEEK_SET) != 0) stop("cannot rewind /proc/self/maps");
  for (;;) {
    if (length == sizeof maps_text - 1) stop("/proc/self/maps is too long");
    long got = read(maps_file, maps_text + length, sizeof maps_text - 1 - length);
    if (got < 0) stop("cannot read /proc/self/maps");
    if (got == 0) break;
    length += (size_t)got;
  }
  maps_text[length] = 0;
  return maps_text;
}

static const char *parse_mapping(const char *line, struct mapping *mapping)
{
  char *at;
  mapping->start = strtoul(line, &at, 16);
  mapping->end = strtoul(at + 1, &at, 16);
  memcpy(mapping->protection, at + 1, 3);
  mapping->shared = at[4] == 's';
  mapping->offset = strtoul(at + 6, &at, 16);
  const char *next = strchr(at, '\n');
  return next == NULL ? "" : next + 1;
}

#define MAX_MAPPINGS (ARENA_PAGES + HEAP_PAGES)
static struct mapping mappings[MAX_MAPPINGS];
static unsigned mapping_count;

static void list_window(unsigned long start, unsigned long end, const char *text)
{
  struct mapping mapping;
  for (unsigned long address = start; address < end; address = mapping.end) {
    if (text == NULL) {
      if (!query_mapping(address, &mapping)) break;
    } else {
      do text = *text == 0 ? "" : parse_mapping(text, &mapping);
      while (*text != 0 && mapping.end <= address);
      if (*text == 0) break;
    }
    if (mapping.start >= end) break;
    if (mapping_count == MAX_MAPPINGS) stop("too many mappings");
    mappings[mapping_count++] = mapping;
  }
}

static void list_mappings(void)
{
  const char *text = query_works ? NULL : read_maps();
  mapping_count = 0;
  list_window(ARENA, ARENA + ARENA_PAGES * PAGE, text);
  list_window(heap_start, heap_start + HEAP_PAGES * PAGE, text);
}

static void put_mappings(void)
{
  for (unsigned each = 0; each < mapping_count; each++) {
    const struct mapping *mapping = &mappings[each];
    char protection[6] = { ' ', mapping->protection[0], mapping->protection[1], mapping->protection[2],
                           mapping->shared ? 's' : 'p', 0 };
    if (each != 0) put(",");
    put_position(mapping->start);
    put("-");
    put_position(mapping->end);
    put(protection);
    put(" ");
    put_number(mapping->offset, 16);
  }
}

// As runs of equal digits would be shorter but harder to read: one digit a page, mappings apart.
static void put_resident(void)
{
  static unsigned char resident[ARENA_PAGES];
  static char digits[ARENA_PAGES + 1];
  for (unsigned each = 0; each < mapping_count; each++) {
    unsigned long length = mappings[each].end - mappings[each].start;
    if (syscall(SYS_mincore, mappings[each].start, length, resident) == -1) {
      put(errno_name(errno));
      continue;
    }
    for (unsigned long page = 0; page < length / PAGE; page++) digits[page] = (char)('0' + (resident[page] & 1));
    digits[length / PAGE] = 0;
    if (each != 0) put(",");
    put(digits);
  }
}

// Prints what `body` prints, or '=' when that is what it printed the last time.
static void put_changes(void (*body)(void), char *before, size_t size)
{
  size_t start = shared->output_length;
  body();
  size_t length = shared->output_length - start;
  if (length >= size) stop("too many mappings");
  if (strlen(before) == length && memcmp(before, output + start, length) == 0) {
    shared->output_length = start;
    put("=");
  } else {
    memcpy(before, output + start, length);
    before[length] = 0;
  }
}

// One checksum for each page of each mapping; what may not be read is opened first.
static void put_contents(void)
{
  list_mappings();
  for (unsigned each = 0; each < mapping_count; each++) {
    unsigned long length = mappings[each].end - mappings[each].start;
    // What can be written, can be read.
    bool readable = mappings[each].protection[0] == 'r' || mappings[each].protection[1] == 'w';
    if (!readable && mprotect((void *)mappings[each].start, length, PROT_READ) != 0) put(errno_name(errno));
    for (volatile unsigned long page = 0; page < length / PAGE; page++) {
      if (each != 0 || page != 0) put(",");
      volatile const uint32_t *words = (volatile const uint32_t *)(mappings[each].start + page * PAGE);
      volatile uint32_t hash = 0;
      if (sigsetjmp(after_access, 0) == 0) {
        uint32_t sum = 0;
        for (unsigned word = 0; word < PAGE / 4; word++) sum = mix(sum, words[word]);
        hash = sum;
        put_number(hash, 16);
      } else {
        put_signal();
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Processes and threads by turns
//
// Threads are made without the C library, which would allocate for them; they share its thread-local data, errno
// among it, which only the one that goes on may change.

static unsigned step_count;
static unsigned thread_count = 1;
// This process, the thread that it began with, and the threads that it has, one bit each.
static unsigned process, first_thread, threads;
// Of the two that come out of a fork that this thread made, it is the one that does not go on. Who does may have done
// much before the other knows.
static bool stays_behind[MAX_THREADS];

// Without the C library, whose errno the threads share.
static void futex(uint32_t *word, int operation, uint32_t value)
{
#ifdef __x86_64__
  register long timeout __asm__("r10") = 0;
  long result = SYS_futex;
  __asm__ volatile("syscall" : "+a"(result) : "D"(word), "S"(operation), "d"(value), "r"(timeout)
                   : "rcx", "r11", "memory");
#else
  syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
#endif
}

// All in one word, so that nobody sees the one without the other.
static uint32_t turn_of(uint32_t index, unsigned number, unsigned thread)
{
  return index << 8 | number << 4 | thread;
}

static unsigned youngest(void)
{
  return 31 - (unsigned)__builtin_clz(shared->alive);
}

// What this thread has to do is done. Behind the last step, each process in turn has a line to print.
static void next_turn(uint32_t index)
{
  shared->ended = shared->ends;
  shared->ends = 0;
  if (shared->ended != 0) shared->alive &= ~(1u << shared->ended);
  if (index >= step_count && shared->alive != 0) shared->process = youngest();
  __atomic_store_n(&shared->turn, turn_of(index, shared->process, shared->thread), __ATOMIC_RELEASE);
  futex(&shared->turn, FUTEX_WAKE, MAX_THREADS * MAX_PROCESSES);
}

static void take_signals(unsigned thread)
{
  stack_t stack = { .ss_sp = signal_stacks[thread], .ss_size = SIGNAL_STACK };
  if (sigaltstack(&stack, NULL) != 0) stop("sigaltstack");
}

static void run_turns(unsigned thread);

static int run_thread(void *argument)
{
  unsigned thread = (unsigned)(uintptr_t)argument;
  take_signals(thread);
  run_turns(thread);
  // Only this thread ends.
  syscall(SYS_exit, 0);
  return 0;
}

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static void start_thread(unsigned thread)
{
  static char stacks[MAX_THREADS][1 << 15] __attribute__((aligned(64)));
  threads |= 1u << thread;
  if (clone(run_thread, stacks[thread] + sizeof stacks[thread], THREAD_FLAGS, (void *)(uintptr_t)thread) == -1) {
    stop("cannot start a thread");
  }
}

// These files show the address space of whoever opened them.
static void open_views(void)
{
  maps_file = open("/proc/self/maps", O_RDONLY);
  status_file = open("/proc/self/status", O_RDONLY);
  page_map_file = open("/proc/self/pagemap", O_RDONLY);
  if (maps_file < 0 || status_file < 0 || page_map_file < 0) stop("cannot open /proc/self/maps, status or pagemap");
}

// fork WHO: 0, the parent goes on, or 1, the child does. Only this thread is in the child.
static void do_fork(const unsigned long *argument)
{
  if (shared->processes == MAX_PROCESSES) {
    put("EAGAIN");
    return;
  }
  // Asked while nobody else goes on.
  unsigned number = shared->processes++, thread = shared->thread;
  shared->alive |= 1u << number;
  shared->parents[number] = process;
  put_number(number, 10);
  if (argument[0]) shared->process = number;
  stays_behind[thread] = argument[0];
  long child = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0, &shared->pids[number], 0, 0);
  if (child == -1) stop("cannot fork");
  if (child != 0) return;
  stays_behind[thread] = !argument[0];
  process = number;
  first_thread = thread;
  threads = 1u << first_thread;
  close(maps_file);
  close(status_file);
  close(page_map_file);
  open_views();
  alarm(SECONDS);
}

// switch WHICH: who goes on is another of the processes, or the same
static void do_switch(const unsigned long *argument)
{
  unsigned left = (unsigned)argument[0] % (unsigned)__builtin_popcount(shared->alive);
  unsigned number = 0;
  while (!(shared->alive & 1u << number) || left-- > 0) number++;
  shared->process = number;
  put_number(number, 10);
}

// thread WHICH: who goes on is another thread of the process, or the same
static void do_thread(const unsigned long *argument)
{
  shared->thread = (unsigned)argument[0] % thread_count;
  put("0");
}

// exit: what every page of this process holds; then it ends and its parent goes on. The first process stays.
static void do_exit(const unsigned long *argument)
{
  (void)argument;
  put_contents();
  if (process == 0) return;
  shared->ends = process;
  unsigned parent = shared->parents[process];
  shared->process = shared->alive & 1u << parent ? parent : 0;
}

// together POSITION PAGES KIND BEGIN SEED: maps pages anew; then two threads at the same time work at them, each at
// every second page, from page BEGIN on, and both at one word.
struct half {
  volatile uint8_t *start;
  unsigned long pages, begin, odd, seed;
};

static void work_half(const struct half *half)
{
  for (unsigned long done = 0; done < half->pages; done++) {
    unsigned long page = (done + half->begin) % half->pages;
    if (page % 2 != half->odd) continue;
    volatile uint8_t *at = half->start + page * PAGE;
    at[half->seed % PAGE] = (uint8_t)(at[(half->seed + 1) % PAGE] + half->seed + page);
    __atomic_fetch_add((uint32_t *)half->start + PAGE / 4 - 1, (uint32_t)half->seed, __ATOMIC_SEQ_CST);
  }
}

static struct half helper_half;
static uint32_t helper_done;

static int run_helper(void *argument)
{
  (void)argument;
  work_half(&helper_half);
  // By the kernel when the thread has left the address space: CLONE_CHILD_CLEARTID.
  syscall(SYS_exit, 0);
  return 0;
}

static void do_together(const unsigned long *argument)
{
  static char stack[1 << 14] __attribute__((aligned(64)));
  static const int sources[] = { MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED };
  int flags = sources[argument[2]];
  // Behind the end of a file nobody can work.
  if (!(flags & MAP_ANONYMOUS) && file_size(WORKED_ON) <= (argument[1] - 1) * PAGE) {
    put("EFBIG");
    return;
  }
  void *at = mmap((void *)address_of(argument[0]), argument[1] * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
                  flags & MAP_ANONYMOUS ? -1 : file_descriptors[WORKED_ON - 1], 0);
  if (at == MAP_FAILED) {
    put(errno_name(errno));
    return;
  }
  struct half half = { at, argument[1], argument[3], 0, argument[4] };
  helper_half = half;
  helper_half.odd = 1;
  helper_done = 1;
  const int helper_flags = THREAD_FLAGS | CLONE_CHILD_CLEARTID;
  if (clone(run_helper, stack + sizeof stack, helper_flags, NULL, NULL, NULL, &helper_done) == -1) {
    stop("cannot start a thread");
  }
  work_half(&half);
  while (__atomic_load_n(&helper_done, __ATOMIC_ACQUIRE) != 0) {
    futex(&helper_done, FUTEX_WAIT, 1);
  }
  put("0");
}

static const struct operation {
  const char *name;
  unsigned arguments;
  void (*perform)(const unsigned long *);
} operations[] = {
  { "mmap", 6, do_mmap },
  { "munmap", 2, do_munmap },
  { "mprotect", 3, do_mprotect },
  { "madvise", 3, do_madvise },
  { "mremap", 5, do_mremap },
  { "mlock", 3, do_mlock },
  { "munlock", 2, do_munlock },
  { "mlockall", 1, do_mlockall },
  { "munlockall", 0, do_munlockall },
  { "msync", 3, do_msync },
  { "sizes", 0, do_sizes },
  { "rss", 0, do_rss },
  { "limit", 2, do_limit },
  { "mincore", 2, do_mincore },
  { "brk", 1, do_brk },
  { "load", 2, do_load },
  { "store", 3, do_store },
  { "read", 2, do_read },
  { "write", 3, do_write },
  { "fill", 3, do_fill },
  { "add", 2, do_add },
  { "exchange", 3, do_exchange },
  { "atomic", 4, do_atomic },
  { "copied", 3, do_copied },
  { "execute", 1, do_execute },
  { "truncate", 2, do_truncate },
  { "file-write", 4, do_file_write },
  { "file-read", 3, do_file_read },
  { "together", 5, do_together },
  { "fork", 1, do_fork },
  { "exit", 0, do_exit },
  { "switch", 1, do_switch },
  { "thread", 1, do_thread },
};

// ---------------------------------------------------------------------------------------------------------------------
// A sequence

struct step {
  const struct operation *operation;
  unsigned long arguments[MAX_ARGUMENTS];
};

static struct step steps[MAX_STEPS];

static void parse_sequence(char *line)
{
  step_count = 0;
  while (*line != 0) {
    if (step_count == MAX_STEPS) stop("too many steps");
    struct step *step = &steps[step_count++];
    size_t length = strcspn(line, " ;");
    step->operation = NULL;
    for (size_t each = 0; each < sizeof operations / sizeof *operations; each++) {
      const char *name = operations[each].name;
      if (strlen(name) == length && memcmp(name, line, length) == 0) step->operation = &operations[each];
    }
    if (step->operation == NULL) stop("unknown operation");
    line += length;
    unsigned arguments = 0;
    while (*line == ' ') {
      if (arguments == step->operation->arguments) stop("too many numbers for an operation");
      step->arguments[arguments++] = strtoul(line + 1, &line, 10);
    }
    if (arguments != step->operation->arguments) stop("too few numbers for an operation");
    if (*line == ';') line++;
    else if (*line != 0) stop("a sequence that is none");
  }
}

static void perform_step(unsigned index, unsigned thread)
{
  static char mappings_before[1 << 15], resident_before[1 << 13];
  const struct operation *operation = steps[index].operation;
  stays_behind[thread] = false;
  operation->perform(steps[index].arguments);
  if (stays_behind[thread]) return;
  put("|");
  list_mappings();
  put_changes(put_mappings, mappings_before, sizeof mappings_before);
  put("|");
  put_changes(put_resident, resident_before, sizeof resident_before);
  put("\n");
  next_turn(index + 1);
}

// All of a process that has said that it ends is gone once its parent has waited for it.
static void wait_for_ended(void)
{
  unsigned ended = shared->ended;
  shared->ended = 0;
  if (ended == 0 || shared->parents[ended] != process) return;
  int status;
  if (waitpid(shared->pids[ended], &status, 0) == -1 || status != 0) stop("a process did not end well");
}

// The last thing that a process does, unless it has ended before. The first process waits for nobody: whoever is left
// is the driver's.
static void tell_contents(uint32_t index)
{
  list_mappings();
  put_mappings();
  put("|");
  put_resident();
  put("|");
  put_contents();
  put("\n");
  shared->alive &= ~(1u << process);
  next_turn(index + 1);
  _exit(0);
}

static void run_turns(unsigned thread)
{
  for (;;) {
    uint32_t turn = __atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE);
    uint32_t index = turn >> 8;
    if (!(shared->alive & 1u << process)) _exit(0);
    if ((turn >> 4 & 15) == process) {
      unsigned number = index < step_count ? turn & 15 : first_thread;
      if (thread == number) {
        wait_for_ended();
        if (index >= step_count) tell_contents(index);
        perform_step(index, thread);
        if (__atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE) != turn) continue;
      } else if (thread == first_thread && !(threads & 1u << number)) {
        start_thread(number);
      }
    }
    futex(&shared->turn, FUTEX_WAIT, turn);
  }
}

static void run_sequence(void)
{
  struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  const int caught[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE };
  for (size_t each = 0; each < sizeof caught / sizeof *caught; each++) sigaction(caught[each], &action, NULL);
  take_signals(0);
  read_sizes(sizes_before);
  alarm(SECONDS);
  threads = 1;
  shared->processes = shared->alive = 1;
  run_turns(0);
}

static void fill_file(unsigned number)
{
  static uint8_t bytes[8 * PAGE];
  for (unsigned long byte = 0; byte < files[number].filled; byte++) {
    bytes[byte] = (uint8_t)(byte * 11 + (byte >> 9) + number);
  }
  int file = file_descriptors[number];
  if (ftruncate(file, 0) != 0 || ftruncate(file, (off_t)files[number].size) != 0 ||
      pwrite(file, bytes, files[number].filled, 0) != (long)files[number].filled) {
    stop("cannot fill a file");
  }
}

// What the file holds stays as it is from then on.
static void open_for_reading(unsigned number)
{
  char path[] = "/proc/self/fd/...", *at = path + sizeof path - 4;
  int file = file_descriptors[number];
  if (file >= 1000) stop("too many files");
  at[0] = (char)('0' + file / 100), at[1] = (char)('0' + file / 10 % 10), at[2] = (char)('0' + file % 10);
  while (*at == '0') memmove(at, at + 1, strlen(at));
  file_descriptors[number] = open(path, O_RDONLY | O_CLOEXEC);
  if (file_descriptors[number] < 0) stop("cannot open a file for reading");
  close(file);
}

static void write_all(const char *text, size_t length)
{
  while (length > 0) {
    long written = write(1, text, length);
    if (written < 0) _exit(0);
    text += written;
    length -= (size_t)written;
  }
}

static void answer(char *line)
{
  parse_sequence(line);
  for (unsigned number = 0; number < FILES; number++) {
    if (number != READ_ONLY - 1) fill_file(number);
  }
  memset(shared, 0, sizeof *shared);
  pid_t child = fork();
  if (child == -1) stop("cannot fork");
  if (child == 0) {
    open_views();
    run_sequence();
    _exit(0);
  }
  // Whose parent has ended before them come to this process, see PR_SET_CHILD_SUBREAPER.
  for (int status; waitpid(-1, &status, 0) != -1;) {
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) _exit(2);
    if (WIFSIGNALED(status)) put("died of signal "), put_number((unsigned long)WTERMSIG(status), 10), put("\n");
  }
  put(".\n");
  write_all(output, shared->output_length);
}

// ---------------------------------------------------------------------------------------------------------------------
// Beginning

static void fill_range(unsigned long start, unsigned long end)
{
  if (start >= end) return;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void *at = mmap((void *)start, end - start, PROT_NONE, flags, -1, 0);
  if (at == MAP_FAILED) stop("cannot fill the address space");
}

// A page at each end of a window that merges with nothing.
static void fence(unsigned long page)
{
  void *at = mmap((void *)page, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == MAP_FAILED) stop("cannot fence a window");
}

// Leaves nothing free but the windows.
static void fill_address_space(void)
{
  const unsigned long lowest = 0x10000, arena_end = ARENA + ARENA_PAGES * PAGE;
  const unsigned long heap_end = heap_start + HEAP_PAGES * PAGE;
  fence(ARENA - PAGE);
  fence(arena_end);
  fence(heap_end);
  unsigned long from = lowest;
  for (const char *line = read_maps(); *line != 0;) {
    struct mapping mapping;
    line = parse_mapping(line, &mapping);
    if (mapping.start >= limit) break;
    unsigned long to = mapping.start;
    if (from < to && from != ARENA) {
      // The window of the heap begins somewhere behind the program.
      if (from <= heap_start && heap_start < to) fill_range(from, heap_start), from = heap_end;
      fill_range(from, to);
    }
    from = mapping.end;
  }
  fill_range(from, limit);
}

// Who may lock as much as he likes, does not: the limit is to count. But it may be lifted.
static void limit_locking(void)
{
  struct rlimit most = { MEMLOCK_LIMIT, RLIM_INFINITY };
  if (setrlimit(RLIMIT_MEMLOCK, &most) != 0) {
    if (getrlimit(RLIMIT_MEMLOCK, &most) != 0 || most.rlim_max < MEMLOCK_LIMIT) stop("8 MiB must be lockable");
    most.rlim_cur = MEMLOCK_LIMIT;
    if (setrlimit(RLIMIT_MEMLOCK, &most) != 0) stop("setrlimit");
  }
  memlock_most = most.rlim_max;
  struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) stop("capget");
  data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
  if (syscall(SYS_capset, &header, data) != 0) stop("capset");
}

// Takes all protection keys that are left, and returns how many these were.
static unsigned take_keys(void)
{
  unsigned keys = 0;
  while (syscall(SYS_pkey_alloc, 0, 0) > 0) keys++;
  return keys;
}

static void on_probed_load(int number, siginfo_t *info, void *context)
{
  (void)number;
  (void)context;
  shared->load_code = info->si_code;
  _exit(0);
}

// Whether what may only be executed can be read: the code of the signal otherwise. And how many keys are left when it
// has one. A child finds out, for the key that such memory has got is never given back.
static void probe_keys(void)
{
  pid_t child = fork();
  if (child == -1) stop("cannot fork");
  if (child == 0) {
    struct sigaction action = { .sa_sigaction = on_probed_load, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    volatile const char *page = mmap(NULL, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) stop("cannot map what may only be executed");
    shared->keys_left = take_keys();
    (void)*page;
    _exit(0);
  }
  int status;
  if (waitpid(child, &status, 0) == -1 || status != 0) stop("cannot find out about protection keys");
}

#define PROBED_PAGES 8

// Whether a page is the program's own once it has been read: then it can be written without another fault. Several are
// asked, so that a fault for another reason does not pass for an answer.
static bool probe_zero_page(void)
{
  volatile char *pages =
    mmap(NULL, PROBED_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) stop("no memory to find out about the zero page");
  struct faults before, read, written;
  for (unsigned again = 0; again < 2; again++) faults_taken(&before);
  for (unsigned page = 0; page < PROBED_PAGES; page++) (void)pages[page * PAGE];
  faults_taken(&read);
  for (unsigned page = 0; page < PROBED_PAGES; page++) pages[page * PAGE] = 1;
  faults_taken(&written);
  munmap((void *)pages, PROBED_PAGES * PAGE);
  long for_writing = written.minor - read.minor;
  if (read.minor - before.minor != PROBED_PAGES || (for_writing != 0 && for_writing != PROBED_PAGES))
    stop("cannot find out about the zero page");
  return for_writing == PROBED_PAGES;
}

int main(int count, char **arguments)
{
  int current = personality(0xffffffff);
  if (current != -1 && !(current & ADDR_NO_RANDOMIZE)) {
    personality((unsigned long)current | ADDR_NO_RANDOMIZE);
    if (personality(0xffffffff) & ADDR_NO_RANDOMIZE) execv("/proc/self/exe", arguments);
  }
  if (count > 1) thread_count = (unsigned)atoi(arguments[1]);
  if (thread_count < 1 || thread_count > MAX_THREADS) stop("there can be 1 to 4 threads");
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  struct rlimit stack = { STACK_LIMIT_PAGES * PAGE, STACK_LIMIT_PAGES * PAGE };
  if (setrlimit(RLIMIT_STACK, &stack) != 0) stop("setrlimit");
  limit_locking();
  limit = 0x7ffffffff000ul;
  heap_start = (unsigned long)syscall(SYS_brk, 0);
  for (unsigned number = 0; number < FILES; number++) {
    file_descriptors[number] = memfd_create("conformance", MFD_CLOEXEC);
    if (file_descriptors[number] < 0) stop("memfd_create");
  }
  scratch_file = memfd_create("scratch", MFD_CLOEXEC);
  if (scratch_file < 0) stop("memfd_create");
  fill_file(READ_ONLY - 1);
  open_for_reading(READ_ONLY - 1);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  char *memory = mmap(NULL, output_size + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) stop("no memory for the output");
  shared = (void *)memory;
  output = memory + PAGE;
  if (count > 2 && strcmp(arguments[2], "used-up") == 0) take_keys();
  probe_keys();
  bool zero_page = probe_zero_page();
  maps_file = open("/proc/self/maps", O_RDONLY);
  if (maps_file < 0) stop("cannot open /proc/self/maps");
  struct mapping first;
  query_works = query_mapping(0, &first);
  fill_address_space();
  put("ready ");
  put_number(heap_start, 10);
  put(" ");
  put_number(memlock_most, 10);
  put(" ");
  put_number(shared->keys_left, 10);
  put(" ");
  put_number((unsigned long)shared->load_code, 10);
  put(" ");
  put_number(zero_page, 10);
  put("\n");
  write_all(output, shared->output_length);
  close(maps_file);

  size_t begin = 0;
  for (;;) {
    char *end = memchr(input + begin, '\n', input_length - begin);
    if (end != NULL) {
      *end = 0;
      answer(input + begin);
      begin = (size_t)(end + 1 - input);
      continue;
    }
    memmove(input, input + begin, input_length - begin);
    input_length -= begin;
    begin = 0;
    if (input_length == sizeof input) stop("a sequence is too long");
    long got = read(0, input + input_length, sizeof input - input_length);
    if (got < 0) stop("cannot read the sequences");
    if (got == 0) return 0;
    input_length += (size_t)got;
  }
}

// The workloads of `faultline bench` on the real kernel: the peer that its figures are measured beside.
//
// The loops are those of src/workloads/workload-worker.ts and must be changed together with them;
// page_fault1, page_fault3 and mmap1 do what the will-it-scale tests of those names do, and vma has the kinds of
// threads of stress-ng's stressor of that name, from src/workloads/vma-mix.ts. Counted as
// will-it-scale counts: each thread has a counter in a cache line of its own, read by the main thread at
// the start and the end of the measured window. As there, address randomization is switched off ("one run
// may fit within one pte page, the next may span two"). Huge pages are switched off for the process, so
// that both sides fault in base pages; threads are not pinned, because the worker threads on the other side
// cannot be.
//
//   linux WORKLOAD THREADS SECONDS WARMUP_SECONDS BYTES_PER_THREAD
//
// prints one line of JSON. One fault of 61 is timed with clock_gettime (see LATENCY_SAMPLE_INTERVAL over
// there).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define WRITER_BYTES (2ul << 20)
#define LATENCY_SAMPLE_INTERVAL 61
#define MIX_PAGES 32
#define MIX_BASE (0x40000000000ul - 13 * 4096)

enum phase { PREPARING, WARMING_UP, MEASURING, STOPPED };

// Log-linear: 128 buckets for each power of two, so a percentile is less than 1 % too low.
#define SUB_BUCKET_BITS 7
#define BUCKETS ((64 - SUB_BUCKET_BITS + 1) << SUB_BUCKET_BITS)

struct histogram {
  uint64_t count;
  uint64_t max;
  uint32_t buckets[BUCKETS];
};

struct task {
  // Two cache lines of its own: processors fetch lines in pairs.
  _Alignas(128) volatile uint64_t count;
  _Alignas(128) struct histogram latency;
  uint64_t until_sample;
  uint32_t chance;
};

struct workload {
  const char *name;
  void (*loop)(struct task *);
  bool counts_pages;
  int writers;
};

static volatile int phase = PREPARING;
static pthread_barrier_t start_barrier;
static size_t bytes_per_thread;
static size_t page_size;
// Beside the measured threads there are at most as many writers.
#define MAX_WRITERS 16
static struct task tasks[MAX_THREADS + MAX_WRITERS];

static void fail(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "linux peer: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
  exit(1);
}

static uint64_t now_ns(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static unsigned bucket_of(uint64_t value)
{
  if (value < (1u << SUB_BUCKET_BITS)) return (unsigned)value;
  unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - SUB_BUCKET_BITS;
  return ((shift + 1) << SUB_BUCKET_BITS) + (unsigned)((value >> shift) - (1u << SUB_BUCKET_BITS));
}

static uint64_t lowest_in(unsigned bucket)
{
  if (bucket < (2u << SUB_BUCKET_BITS)) return bucket;
  unsigned shift = (bucket >> SUB_BUCKET_BITS) - 1;
  return (uint64_t)((bucket & ((1u << SUB_BUCKET_BITS) - 1)) + (1u << SUB_BUCKET_BITS)) << shift;
}

static uint64_t percentile(const struct histogram *histogram, double percent)
{
  uint64_t wanted = (uint64_t)((double)histogram->count * percent / 100.0 + 0.5), seen = 0;
  if (wanted == 0) wanted = 1;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
    seen += histogram->buckets[bucket];
    if (seen >= wanted) return lowest_in(bucket);
  }
  return histogram->max;
}

static char *map(size_t bytes, int flags, int file)
{
  char *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (address == MAP_FAILED) fail("mmap of %zu bytes: %s", bytes, strerror(errno));
  return address;
}

static void begin(void)
{
  pthread_barrier_wait(&start_barrier);
}

static void record(struct task *task, uint64_t start, uint64_t stop)
{
  if (phase != MEASURING) return;
  uint64_t duration = stop - start;
  task->latency.count++;
  task->latency.buckets[bucket_of(duration)]++;
  if (duration > task->latency.max) task->latency.max = duration;
}

// Writes byte 0 of every page; whether the run goes on.
static bool write_every_page(struct task *task, volatile char *memory)
{
  for (size_t i = 0; i < bytes_per_thread; i += page_size) {
    if (--task->until_sample == 0) {
      uint64_t start = now_ns();
      memory[i] = 0;
      record(task, start, now_ns());
      task->until_sample = LATENCY_SAMPLE_INTERVAL;
      if (phase == STOPPED) return false;
    } else {
      memory[i] = 0;
    }
    task->count++;
  }
  return phase != STOPPED;
}

// Reads byte 0 of every page; whether the run goes on.
static bool read_every_page(struct task *task, volatile char *memory)
{
  for (size_t i = 0; i < bytes_per_thread; i += page_size) {
    if (--task->until_sample == 0) {
      uint64_t start = now_ns();
      (void)memory[i];
      record(task, start, now_ns());
      task->until_sample = LATENCY_SAMPLE_INTERVAL;
      if (phase == STOPPED) return false;
    } else {
      (void)memory[i];
    }
    task->count++;
  }
  return phase != STOPPED;
}

static void map_write_unmap(struct task *task)
{
  begin();
  for (bool running = true; running;) {
    char *memory = map(bytes_per_thread, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    running = write_every_page(task, memory);
    munmap(memory, bytes_per_thread);
  }
}

static void map_file_write_unmap(struct task *task)
{
  // will-it-scale takes an unlinked file in /tmp. Where that is a disk file system with large folios, Linux
  // maps many pages at one fault and the test no longer measures faults; where it is tmpfs, it is what
  // memfd_create gives.
  int file = memfd_create("faultline", MFD_CLOEXEC);
  if (file < 0) fail("memfd_create: %s", strerror(errno));
  if (ftruncate(file, (off_t)bytes_per_thread) != 0) {
    fail("cannot extend the file to %zu bytes: %s", bytes_per_thread, strerror(errno));
  }
  begin();
  for (bool running = true; running;) {
    char *memory = map(bytes_per_thread, MAP_SHARED, file);
    running = write_every_page(task, memory);
    munmap(memory, bytes_per_thread);
  }
  close(file);
}

static void map_unmap(struct task *task)
{
  begin();
  while (phase != STOPPED) {
    munmap(map(bytes_per_thread, MAP_PRIVATE | MAP_ANONYMOUS, -1), bytes_per_thread);
    task->count++;
  }
}

static void read_discard(struct task *task)
{
  char *memory = map(bytes_per_thread, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  begin();
  while (read_every_page(task, memory)) madvise(memory, bytes_per_thread, MADV_DONTNEED);
}

static void write_discard(struct task *task)
{
  char *memory = map(bytes_per_thread, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  begin();
  while (write_every_page(task, memory)) madvise(memory, bytes_per_thread, MADV_DONTNEED);
}

static void map_populate_unmap(struct task *task)
{
  begin();
  while (phase != STOPPED) {
    munmap(map(WRITER_BYTES, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1), WRITER_BYTES);
    task->count++;
  }
}

// The mix of stress-ng's vma. Calls are refused and accesses fail as may be: an access that fails is over.

static _Thread_local sigjmp_buf access_failed;

static void leave_access(int signal)
{
  (void)signal;
  siglongjmp(access_failed, 1);
}

// A number from 0 to bound - 1 by chance: xorshift32, as over there.
static uint32_t below(struct task *task, uint32_t bound)
{
  task->chance ^= task->chance << 13;
  task->chance ^= task->chance >> 17;
  task->chance ^= task->chance << 5;
  return task->chance % bound;
}

static char *some_page(struct task *task)
{
  return (char *)MIX_BASE + below(task, MIX_PAGES) * page_size;
}

static size_t some_pages(struct task *task)
{
  return below(task, MIX_PAGES) * page_size;
}

static void mix_map(struct task *task)
{
  static const int protections[] = { PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC };
  char *page = some_page(task);
  int protection = protections[below(task, 5)];
  int flags = MAP_FIXED | MAP_ANONYMOUS | (below(task, 2) == 0 ? MAP_SHARED : MAP_PRIVATE);
  if (below(task, 2) == 0) flags |= MAP_GROWSDOWN;
  if (below(task, 2) == 0) flags |= MAP_LOCKED;
  if (below(task, 2) == 0) flags |= MAP_POPULATE;
  (void)!mmap(page, page_size, protection, flags, -1, 0);
}

static void mix_unmap(struct task *task)
{
  munmap(some_page(task), page_size);
}

static void mix_lock(struct task *task)
{
  char *page = some_page(task);
  size_t bytes = some_pages(task);
  // MLOCK_ONFAULT, or none.
  syscall(SYS_mlock2, page, bytes, below(task, 2));
}

static void mix_unlock(struct task *task)
{
  char *page = some_page(task);
  munlock(page, some_pages(task));
}

static void mix_advise(struct task *task)
{
  // The last two are MADV_POPULATE_READ and _WRITE, which older headers do not name.
  static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED,
                                MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_DONTDUMP, MADV_DODUMP, 21, 22, 23 };
  char *page = some_page(task);
  size_t bytes = some_pages(task);
  madvise(page, bytes, advice[below(task, 12)]);
}

static void mix_mincore(struct task *task)
{
  unsigned char resident[MIX_PAGES];
  char *page = some_page(task);
  mincore(page, some_pages(task), resident);
}

static void mix_protect(struct task *task)
{
  static const int protections[] = { PROT_NONE, PROT_READ, PROT_WRITE, PROT_READ | PROT_WRITE };
  char *page = some_page(task);
  size_t bytes = some_pages(task);
  mprotect(page, bytes, protections[below(task, 4)]);
}

static void mix_msync(struct task *task)
{
  static const int modes[] = { MS_ASYNC, MS_SYNC, MS_INVALIDATE };
  char *page = some_page(task);
  size_t bytes = some_pages(task);
  msync(page, bytes, modes[below(task, 3)]);
}

static void mix_list(struct task *task)
{
  static _Thread_local int maps = -1;
  char text[4096];
  (void)task;
  if (maps < 0 && (maps = open("/proc/self/maps", O_RDONLY)) < 0) fail("/proc/self/maps: %s", strerror(errno));
  lseek(maps, 0, SEEK_SET);
  while (read(maps, text, sizeof text) > 0) {
  }
}

static void mix_pagemap(struct task *task)
{
  static _Thread_local int pagemap = -1;
  uint64_t entry;
  if (pagemap < 0 && (pagemap = open("/proc/self/pagemap", O_RDONLY)) < 0)
    fail("/proc/self/pagemap: %s", strerror(errno));
  off_t at = (off_t)((uintptr_t)some_page(task) / page_size * sizeof entry);
  (void)!pread(pagemap, &entry, sizeof entry, at);
}

static void mix_access(struct task *task)
{
  bool reads = below(task, 2) == 0;
  volatile char *page = some_page(task);
  if (sigsetjmp(access_failed, 0) != 0) return;
  if (reads) (void)*page;
  else *page = (char)below(task, 256);
}

// As in the table over there, line by line.
static void (*const mix_others[])(struct task *) = {
  mix_map,     mix_map,     mix_unmap, mix_lock, mix_unlock,  mix_advise,
  mix_mincore, mix_protect, mix_msync, mix_list, mix_pagemap,
};
#define MIX_OTHERS ((int)(sizeof mix_others / sizeof *mix_others))

static void step_mix(struct task *task, void (*step)(struct task *))
{
  struct sigaction action = { .sa_handler = leave_access, .sa_flags = SA_NODEFER };
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  task->chance = (uint32_t)(task - tasks + 1) * 0x9e3779b1u;
  begin();
  while (phase != STOPPED) {
    step(task);
    task->count++;
  }
}

static void access_mix(struct task *task)
{
  step_mix(task, mix_access);
}

static const struct workload workloads[] = {
  { "page_fault1", map_write_unmap, true, 0 },
  { "page_fault3", map_file_write_unmap, true, 0 },
  { "mmap1", map_unmap, false, 0 },
  { "read-fault", read_discard, true, 0 },
  { "fault-beside-writer", write_discard, true, 1 },
  { "vma", access_mix, false, MIX_OTHERS },
};

static const struct workload *workload;
static int threads;

static void *run_task(void *argument)
{
  struct task *task = argument;
  int writer = (int)(task - tasks) - threads;
  if (writer < 0) workload->loop(task);
  else if (workload->loop == access_mix) step_mix(task, mix_others[writer]);
  else map_populate_unmap(task);
  return NULL;
}

// What the kernel counted as faults of this process: to see that one counted page is one fault.
static long faults_taken(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

static void sleep_seconds(double seconds)
{
  struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
  while (nanosleep(&time, &time) != 0 && errno == EINTR) {
  }
}

int main(int count, char **arguments)
{
  if (count != 6) fail("usage: linux WORKLOAD THREADS SECONDS WARMUP_SECONDS BYTES_PER_THREAD");
  int current = personality(0xffffffff);
  if (current != -1 && !(current & ADDR_NO_RANDOMIZE)) {
    // Takes effect at the next exec; the flag being set then ends the recursion. Where it cannot be set, go on without.
    personality((unsigned long)current | ADDR_NO_RANDOMIZE);
    if (personality(0xffffffff) & ADDR_NO_RANDOMIZE) execv("/proc/self/exe", arguments);
  }

  for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
    if (strcmp(workloads[i].name, arguments[1]) == 0) workload = &workloads[i];
  }
  if (!workload) fail("unknown workload %s", arguments[1]);
  threads = atoi(arguments[2]);
  double seconds = atof(arguments[3]), warmup_seconds = atof(arguments[4]);
  bytes_per_thread = strtoull(arguments[5], NULL, 10);
  page_size = (size_t)sysconf(_SC_PAGESIZE);
  if (threads < 1 || threads > MAX_THREADS) fail("threads must be 1..%d", MAX_THREADS);
  if (!(seconds > 0) || warmup_seconds < 0) fail("seconds must be positive");
  if (bytes_per_thread == 0 || bytes_per_thread % page_size != 0) {
    fail("bytes must be a multiple of %zu", page_size);
  }
  bool huge_pages_off = prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0;

  int workers = threads + workload->writers;
  pthread_t identifiers[MAX_THREADS + MAX_WRITERS];
  // Every thread and this one: will-it-scale holds them back with a pipe to the same end.
  pthread_barrier_init(&start_barrier, NULL, (unsigned)workers + 1);
  for (int i = 0; i < workers; i++) {
    tasks[i].until_sample = LATENCY_SAMPLE_INTERVAL;
    int error = pthread_create(&identifiers[i], NULL, run_task, &tasks[i]);
    if (error != 0) fail("cannot start thread %d: %s", i, strerror(error));
  }
  phase = WARMING_UP;
  pthread_barrier_wait(&start_barrier);
  sleep_seconds(warmup_seconds);
  uint64_t round = workload->counts_pages ? bytes_per_thread / page_size : 1;
  for (int i = 0; i < threads; i++) {
    while (tasks[i].count < round) sleep_seconds(0.005);
  }

  uint64_t before[MAX_THREADS + MAX_WRITERS], after[MAX_THREADS + MAX_WRITERS];
  phase = MEASURING;
  long faults_before = faults_taken();
  for (int i = 0; i < workers; i++) before[i] = tasks[i].count;
  uint64_t start = now_ns();
  sleep_seconds(seconds);
  // On a machine that is busy otherwise a short window may pass without one of them having run.
  for (int i = 0; i < threads; i++) {
    while (tasks[i].count == before[i]) sleep_seconds(0.005);
  }
  for (int i = 0; i < workers; i++) after[i] = tasks[i].count;
  uint64_t stop = now_ns();
  long faults_after = faults_taken();
  phase = STOPPED;
  for (int i = 0; i < workers; i++) pthread_join(identifiers[i], NULL);

  static struct histogram all;
  uint64_t total = 0;
  for (int i = 0; i < threads; i++) {
    const struct histogram *latency = &tasks[i].latency;
    total += after[i] - before[i];
    all.count += latency->count;
    if (latency->max > all.max) all.max = latency->max;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++) all.buckets[bucket] += latency->buckets[bucket];
  }
  printf("{\"workload\":\"%s\",\"threads\":%d,\"count\":%llu,\"seconds\":%.9f", workload->name, threads,
         (unsigned long long)total, (double)(stop - start) / 1e9);
  if (all.count == 0) {
    printf(",\"latencyNs\":null");
  } else {
    printf(",\"latencyNs\":{\"p50\":%llu,\"p99\":%llu,\"max\":%llu,\"samples\":%llu}",
           (unsigned long long)percentile(&all, 50), (unsigned long long)percentile(&all, 99),
           (unsigned long long)all.max, (unsigned long long)all.count);
  }
  if (workload->writers == 0) printf(",\"writerCycles\":null");
  else {
    uint64_t cycles = 0;
    for (int i = threads; i < workers; i++) cycles += after[i] - before[i];
    printf(",\"writerCycles\":%llu", (unsigned long long)cycles);
  }
  printf(",\"faultsTaken\":%ld,\"hugePagesOff\":%s}\n", faults_after - faults_before,
         huge_pages_off ? "true" : "false");
  return 0;
}

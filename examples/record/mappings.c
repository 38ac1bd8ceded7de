// Threads map, touch and unmap memory in a process with many mappings: cc -O2 -pthread mappings.c -o mappings &&
// ./mappings [MAPPINGS] [THREADS] [ROUNDS] [keep]
//
// With keep, each thread uses the memory of its first round again.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static long rounds;
static int keep;

static void *work(void *unused) {
  char *p = MAP_FAILED;
  for (long i = 0; i < rounds; i++) {
    if (p == MAP_FAILED) p = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int page = 0; page < 16; page++) p[page * 4096] = 1;
    for (volatile int n = 0; n < 20000; n++) ;
    if (!keep) munmap(p, 65536), p = MAP_FAILED;
  }
  return unused;
}

int main(int argc, char **argv) {
  long mappings = argc > 1 ? atol(argv[1]) : 20000;
  int threads = argc > 2 ? atoi(argv[2]) : 2;
  rounds = argc > 3 ? atol(argv[3]) : 5000;
  keep = argc > 4;
  for (long i = 0; i < mappings; i++) { // neighbours differ, so that Linux does not join them
    char *p = mmap(0, 8192, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return perror("mmap"), 1;
    if (!(i & 1)) *p = 1;
  }
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  pthread_t ids[64];
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], 0, work, 0);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], 0);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%d threads: %.0f ms\n", threads, (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
}

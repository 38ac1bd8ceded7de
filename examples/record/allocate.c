// Threads allocate, fill and free blocks:
// cc -O2 -pthread allocate.c -o allocate && ./allocate [THREADS] [ROUNDS] [BYTES]
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long rounds, bytes;

static void *work(void *unused) {
  for (long i = 0; i < rounds; i++) {
    char *block = malloc(bytes);
    memset(block, i, bytes);
    __asm__ volatile("" : : "r"(block) : "memory"); // or the compiler leaves all of it out
    free(block);
  }
  return unused;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 4;
  rounds = argc > 2 ? atol(argv[2]) : 2000;
  bytes = argc > 3 ? atol(argv[3]) : 65536;
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  pthread_t ids[64];
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], 0, work, 0);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], 0);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%d threads: %.0f ms\n", threads, (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
}

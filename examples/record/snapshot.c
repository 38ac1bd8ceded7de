// Two threads write to 128 MB, of which forked processes read all: cc -O2 -pthread snapshot.c -o snapshot &&
// ./snapshot fork|none
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE (128L << 20)

static char *memory;

static void *work(void *number) {
  unsigned at = (unsigned)(long)number;
  for (long i = 0; i < 60000; i++) {
    memory[(at = at * 1664525 + 1013904223) % SIZE] = (char)i;
    for (volatile int n = 0; n < 3000; n++) ;
  }
  return 0;
}

static int sumOfAll(void) {
  long sum = 0;
  for (int turn = 0; turn < 40; turn++)
    for (long i = 0; i < SIZE; i += 64) sum += memory[i];
  return sum == 1;
}

int main(int argc, char **argv) {
  memory = malloc(SIZE);
  memset(memory, 1, SIZE);
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  pthread_t ids[2];
  for (long t = 0; t < 2; t++) pthread_create(&ids[t], 0, work, (void *)(t + 1));
  for (int i = 0; argc > 1 && !strcmp(argv[1], "fork") && i < 5; i++) {
    if (fork() == 0) _exit(sumOfAll());
    usleep(100000);
  }
  for (int t = 0; t < 2; t++) pthread_join(ids[t], 0);
  clock_gettime(CLOCK_MONOTONIC, &b);
  printf("%.0f ms\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
  while (wait(0) > 0) ;
}

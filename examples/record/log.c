// Two threads write 48 MiB each to a mapped file that they make longer and map anew: cc -O2 -pthread log.c -o log &&
// ./log [large]
//
// By 64 KiB each time, or by 16 MiB.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t step = 64 << 10;

static void *write_log(void *name) {
  int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
  size_t length = 0;
  char *map = NULL;
  for (size_t at = 0; at < 48 << 20; at += 1024) {
    if (at == length) {
      if (map != NULL) munmap(map, length);
      length += step;
      if (ftruncate(file, length) != 0) exit(1);
      map = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    }
    memset(map + at, (int)at, 1024);
    if (at > 4096) map[at * 7919 % at] ^= 1; // an index somewhere before
  }
  unlink(name);
  return NULL;
}

int main(int count, char **arguments) {
  if (count > 1 && strcmp(arguments[1], "large") == 0) step = 16 << 20;
  pthread_t threads[2];
  pthread_create(&threads[0], NULL, write_log, "log.1.tmp");
  pthread_create(&threads[1], NULL, write_log, "log.2.tmp");
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

/*
 * Reads, or writes, a byte of pages at random through a mapping of a file that is larger than memory, on Linux, and
 * prints how many pages were read an access: what bench/read-around.ts measures here. Usage, as root, on a device of
 * its own, whose read-ahead is Linux's default:
 *
 *   mount -o loop IMAGE FOLDER; echo 128 > /sys/block/LOOP/queue/read_ahead_kb    # FOLDER/file of 64 MiB
 *   mkdir /sys/fs/cgroup/memory/16MiB                                             # or memory.max of version 2
 *   echo 16777216 > /sys/fs/cgroup/memory/16MiB/memory.limit_in_bytes
 *   sh -c 'echo $$ > /sys/fs/cgroup/memory/16MiB/cgroup.procs; exec ./read-around FOLDER/file uniform none [write]'
 *
 * Nothing else may have brought the file into memory, so remount between runs.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { ACCESSES = 5000, WINDOWS = 6 };

static uint32_t state = 1;

/* The generator of bench/read-around.ts. */
static uint32_t next(void)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

static double pages_read(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_inblock / 8.0;
}

int main(int argc, char **argv)
{
	struct stat stat;
	int writes = argc == 5;
	int file = argc >= 4 ? open(argv[1], O_RDWR) : -1;

	if (file < 0 || fstat(file, &stat) < 0)
		return 2;
	uint32_t pages = stat.st_size / 4096;
	volatile uint8_t *bytes = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		return 2;
	if (!strcmp(argv[3], "random"))
		madvise((void *)bytes, stat.st_size, MADV_RANDOM);
	for (int window = 0; window < WINDOWS; window++) {
		double before = pages_read();
		for (int n = 0; n < ACCESSES; n++) {
			uint32_t page = next() % pages;
			if (!strcmp(argv[2], "skewed") && next() % 10)
				page %= pages / 10;
			if (writes)
				bytes[(uint64_t)page * 4096] = 1;
			else
				bytes[(uint64_t)page * 4096];
		}
		printf("%s, advice %s: %.2f pages an access\n", argv[2], argv[3], (pages_read() - before) / ACCESSES);
	}
	return 0;
}

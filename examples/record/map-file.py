# Four threads count the lines of a file, 256 KiB at a time, six times: python3 map-file.py FILE [keep]
#
# They map each part for itself, or with keep the whole file once.
import mmap
import os
import sys
import threading

PART = 256 * 1024
path, keeps = sys.argv[1], sys.argv[2:] == ["keep"]
size = os.path.getsize(path)


def count(thread):
    lines = 0
    with open(path, "rb") as file:
        if keeps:
            whole = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
        for _ in range(6):
            for at in range(thread * PART, size, 4 * PART):
                if keeps:
                    lines += whole[at : at + PART].count(b"\n")
                    continue
                length = min(PART, size - at)
                with mmap.mmap(file.fileno(), length, prot=mmap.PROT_READ, offset=at) as part:
                    lines += part[:].count(b"\n")
    print(lines)


threads = [threading.Thread(target=count, args=(number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()

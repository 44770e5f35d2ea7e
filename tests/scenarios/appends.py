# SPDX-License-Identifier: Apache-2.0
"""Zone appends by NVMe pass-through, many at once: appends.py DEVICE NSID BLOCK APPENDS ZONE...

64 threads, spread over the CPUs, append APPENDS times each to the zones (starts,
in blocks of the namespace, of BLOCK bytes), every block stamped with the append
it is of. Prints a line for each append: zone, the block the device says it is
at, blocks, stamp.
"""

import concurrent.futures
import ctypes
import fcntl
import mmap
import os
import random
import struct
import sys
import threading

THREADS = 64
IO64 = 3 << 30 | 80 << 16 | ord("N") << 8 | 0x48  # NVME_IOCTL_IO64_CMD, include/uapi/linux/nvme_ioctl.h
ZONE_APPEND = 0x7D


def append(fd, nsid, zone, data, blocks):
    """The block that the device says the data is at."""
    address = ctypes.addressof(ctypes.c_char.from_buffer(data))
    command = bytearray(struct.pack(
        "<BBHIIIQQII6IIIQ", ZONE_APPEND, 0, 0, nsid, 0, 0, 0, address, 0, len(data),
        zone & 0xFFFFFFFF, zone >> 32, blocks - 1, 0, 0, 0, 30000, 0, 0))
    if status := fcntl.ioctl(fd, IO64, command):
        raise OSError(f"zone append: NVMe status {status:#x}")
    return struct.unpack_from("<Q", command, 72)[0]


def worker(number, fd, nsid, size, appends, zones, start):
    os.sched_setaffinity(0, {number % os.cpu_count()})
    rand, done = random.Random(number), []
    start.wait()
    for turn in range(appends):
        blocks, stamp, zone = rand.randrange(1, 17), number << 32 | turn, rand.choice(zones)
        data = mmap.mmap(-1, blocks * size)
        for i in range(blocks):
            struct.pack_into("<QQ", data, i * size, stamp, i)
        done.append((zone, append(fd, nsid, zone, data, blocks), blocks, stamp))
    return done


def main():
    fd = os.open(sys.argv[1], os.O_RDWR)
    nsid, size, appends, *zones = map(int, sys.argv[2:])
    start = threading.Barrier(THREADS)
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        workers = [pool.submit(worker, n, fd, nsid, size, appends, zones, start) for n in range(THREADS)]
        for w in workers:
            for line in w.result():
                print(*line)


main()

# SPDX-License-Identifier: Apache-2.0
"""blocks.py write FILE FIRST: writes numbered blocks of 4 KiB one after another
with O_DIRECT, from block FIRST on, and prints the number of each that was
acknowledged; at the first error, its name on stderr, and ends.

blocks.py check FILE FIRST LAST: the blocks are there, LAST included."""

import errno
import mmap
import os
import sys

verb, path, first = sys.argv[1], sys.argv[2], int(sys.argv[3])


def block(i):
    return b"%08d" % i * 512


def write():
    fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
    buffer = mmap.mmap(-1, 4096)
    i = first
    while True:
        buffer[:] = block(i)
        try:
            os.pwrite(fd, buffer, i * 4096)
        except OSError as e:
            sys.exit(errno.errorcode[e.errno])
        os.write(1, b"%d\n" % i)
        i += 1


def check():
    with open(path, "rb") as disk:
        disk.seek(first * 4096)
        for i in range(first, int(sys.argv[4]) + 1):
            if disk.read(4096) != block(i):
                sys.exit(f"block {i} is not what was written there")


{"write": write, "check": check}[verb]()

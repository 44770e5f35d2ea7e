# SPDX-License-Identifier: Apache-2.0
"""Writes at the end of files: zonefs.py SEED COPY MOUNT NAME:BYTES...

The bytes go to the file of that name in COPY and, with O_DIRECT and in pieces
of 4-256 KiB, in MOUNT. Each 4 KiB block begins with the seed, its file and its
place, so that no two are alike.
"""

import mmap
import os
import random
import struct
import sys

BLOCK = 4096


def content(rand, seed, number, start, size):
    data = mmap.mmap(-1, size)  # aligned, for O_DIRECT
    noise = rand.randbytes(BLOCK)
    for at in range(0, size, BLOCK):
        data[at : at + BLOCK] = struct.pack("<QQQ", seed, number, start + at) + noise[24:]
    return data


def pieces(rand, data):
    at = 0
    while at < len(data):
        n = min(BLOCK << rand.randrange(7), len(data) - at)
        yield memoryview(data)[at : at + n]
        at += n


def main():
    seed, copy, mount = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    rand = random.Random(seed)
    for number, target in enumerate(sys.argv[4:]):
        name, size = target.split(":")
        end = os.stat(f"{mount}/{name}").st_size
        data = content(rand, seed, number, end, int(size))
        with open(f"{copy}/{name}", "ab") as f:
            f.write(data)
        fd = os.open(f"{mount}/{name}", os.O_WRONLY | os.O_DIRECT)
        for piece in pieces(rand, data):
            if os.pwrite(fd, piece, end) != len(piece):
                sys.exit(f"{name}: short write at {end}")
            end += len(piece)
        os.close(fd)


main()

# SPDX-License-Identifier: Apache-2.0
"""Writes a tree of files whose contents follow from a seed: tree.py FOLDER SEED FILES MIB.

Four equal parts q0-q3, each with folders of small files (1-24 KiB) and of 4 MiB
files. Each 4 KiB block begins with the seed, its file and its place, so that no
two blocks are alike and one that is old or in the wrong place is noticed.
"""

import os
import random
import struct
import sys

BLOCK = 4096
BIG = 4 << 20


def content(noise, seed, number, size):
    start = number * 7919 % (len(noise) - BIG)
    data = bytearray(noise[start : start + size])
    for place in range(0, size - 24, BLOCK):
        struct.pack_into("<QQQ", data, place, seed, number, place)
    return data


def sizes(rand, files, mib):
    """The small files' sizes, then those of the big ones."""
    small = [rand.randrange(1024, 24 << 10) for _ in range(files)]
    rest = (mib << 20) - sum(small)
    return small + [BIG] * -(-rest // BIG)


def main():
    folder, seed, files, mib = sys.argv[1], *map(int, sys.argv[2:5])
    rand = random.Random(seed)
    noise = rand.randbytes(1 << 20) * (2 * BIG >> 20)
    for part in range(4):
        for number, size in enumerate(sizes(rand, files // 4, mib // 4)):
            place = f"{folder}/q{part}/d{number // 50}"
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/f{number}", "wb", buffering=0) as f:
                f.write(content(noise, seed, part << 32 | number, size))


main()

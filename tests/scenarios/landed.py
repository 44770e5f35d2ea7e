# SPDX-License-Identifier: Apache-2.0
"""Sees that appends are where their addresses say: landed.py DEVICE BLOCK [gaps] <LINES

LINES are what appends.py prints. In each zone the appends must lie one behind
the other from its start, with no overlap and, unless gaps are allowed, no gap,
and every block must have the stamp of the append that was told its address.
Prints for each zone its start and its end, in blocks.
"""

import collections
import os
import struct
import sys


def main():
    fd, size = os.open(sys.argv[1], os.O_RDONLY), int(sys.argv[2])
    gaps = sys.argv[3:] == ["gaps"]
    zones = collections.defaultdict(list)
    for line in sys.stdin:
        zone, block, blocks, stamp = map(int, line.split())
        zones[zone].append((block, blocks, stamp))
    if not zones:
        sys.exit("no appends")
    for zone, appends in sorted(zones.items()):
        end = zone
        for block, blocks, stamp in sorted(appends):
            if block < end or block > end and not gaps:
                sys.exit(f"zone {zone}: an append was told block {block}, the one below ends at {end}")
            data = os.pread(fd, blocks * size, block * size)
            for i in range(blocks):
                if struct.unpack_from("<QQ", data, i * size) != (stamp, i) or any(data[i * size + 16 : (i + 1) * size]):
                    sys.exit(f"zone {zone}: block {block + i} is not block {i} of append {stamp:#x}")
            end = block + blocks
        print(zone, end)


main()

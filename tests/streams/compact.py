# SPDX-License-Identifier: Apache-2.0
"""Turns a trace of the block layer into a stream to be replayed:
compact.py MAJOR:MINOR <TRACE >STREAM.

One event a line. "OP SECTOR SECTORS [f]" issues a request: r w a d (read, write,
append, discard), F (flush), zone R A N O C (reset, reset all, finish, open,
close); f: with FUA. "e N" ends the N-th request, counted from 0. Sectors have
512 bytes. Reports of zones, which have no name in the trace, are left out.
"""

import re
import sys

EVENT = re.compile(r"block_rq_(issue|complete): (\d+),(\d+) (\S+) (?:\d+ )?\([^)]*\) (\d+) \+ (\d+)")
ZONES = {"ZRA": "A", "ZR": "R", "ZF": "N", "ZO": "O", "ZC": "C", "ZA": "a"}
PLAIN = {"R": "r", "W": "w", "D": "d"}


def operation(rwbs):
    """The letter of a request, and whether it is forced to the medium."""
    for name, letter in ZONES.items():
        if rwbs.startswith(name):
            return letter, False
    if rwbs[0] == "F" and rwbs.strip("FSMA") == "":
        return "F", False
    body = rwbs.lstrip("F")
    if body[0] not in PLAIN:
        sys.exit(f"unknown operation {rwbs}")
    return PLAIN[body[0]], "F" in body[1:]


def main():
    device = sys.argv[1].replace(":", ",")
    waiting, issued = {}, 0
    for line in sys.stdin:
        m = EVENT.search(line)
        if not m or f"{m[2]},{m[3]}" != device or m[4] == "N":
            continue
        op, fua = operation(m[4])
        sector, sectors = int(m[5]), int(m[6])
        # An append ends where its data went; a flush has no place.
        key = (op, sectors if op == "a" else (sector, sectors) if op != "F" else None)
        if m[1] == "issue":
            waiting.setdefault(key, []).append(issued)
            issued += 1
            print(op, sector, sectors, *(["f"] if fua else []))
        elif waiting.get(key):
            print("e", waiting[key].pop(0))


main()

# SPDX-License-Identifier: Apache-2.0
"""zones.py DEVICE: does to a zoned block device what it reads on stdin, with
O_DIRECT and the kernel's zone ioctls, and fails at the first surprise.

    write ZONE OFFSET LENGTH [ERRNO]         the error that write(2) must give
    read ZONE OFFSET LENGTH data|zeros|ERRNO data: what write wrote there
    open|close|finish|reset ZONE [ERRNO]
    resetall
    zone ZONE CONDITION [WP]                 what the kernel reports of it

Offsets, lengths and write pointers are bytes from the start of the zone, with K
and M. Conditions are those of blkzone: nw em oi oe cl fu ro of."""

import errno
import fcntl
import mmap
import os
import struct
import sys
import time

REPORT, RESET, OPEN, CLOSE, FINISH = 0xC0101282, 0x40101283, 0x40101286, 0x40101287, 0x40101288
ZONE_SECTORS, SIZE = 0x80041284, 0x80081272
CONDITIONS = {0: "nw", 1: "em", 2: "oi", 3: "oe", 4: "cl", 13: "ro", 14: "fu", 15: "of"}
AT_ONCE = 5  # seconds; an error that takes longer has waited for something

buffer = mmap.mmap(-1, 16 << 20)  # page aligned
fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
zone_bytes = struct.unpack("I", fcntl.ioctl(fd, ZONE_SECTORS, b"\0" * 4))[0] * 512


def size(text):
    unit = {"K": 1 << 10, "M": 1 << 20}.get(text[-1], 1)
    return int(text.rstrip("KM")) * unit


def place(zone, offset):
    return int(zone) * zone_bytes + size(offset)


def pattern(start, length):
    """Every 512 bytes hold where they belong."""
    return b"".join(struct.pack("<Q", at ^ 0xA5A5A5A5A5A5A5A5) * 64 for at in range(start, start + length, 512))


def expect(want, call, *args):
    """Calls; want is the name of the errno that must come, or None."""
    began = time.monotonic()
    try:
        call(*args)
        got = None
    except OSError as e:
        got = errno.errorcode[e.errno]
    if got != want:
        raise AssertionError(f"got {got or 'success'}, want {want or 'success'}")
    if want and time.monotonic() - began > AT_ONCE:
        raise AssertionError(f"{want} took {time.monotonic() - began:.1f} s")


def write_at(start, length):
    buffer[:length] = pattern(start, length)
    done = os.pwrite(fd, memoryview(buffer)[:length], start)
    if done != length:
        raise AssertionError(f"{done} of {length} bytes")


def write(zone, offset, length, want=None):
    expect(want, write_at, place(zone, offset), size(length))


def read(zone, offset, length, what):
    start, length = place(zone, offset), size(length)
    buffer[:length] = b"\xee" * length  # nothing of it may stay
    if what not in ("data", "zeros"):
        with memoryview(buffer)[:length] as view:
            return expect(what, os.preadv, fd, [view], start)
    with memoryview(buffer)[:length] as view:
        if os.preadv(fd, [view], start) != length:
            raise AssertionError("short read")
    want = pattern(start, length) if what == "data" else bytes(length)
    if buffer[:length] != want:
        bad = next(i for i in range(length) if buffer[i] != want[i])
        raise AssertionError(f"byte {bad} of {length} is {buffer[bad]:#x}, want {want[bad]:#x}")


def manage(request):
    def run(zone, want=None):
        span = struct.pack("<QQ", int(zone) * zone_bytes // 512, zone_bytes // 512)
        expect(want, fcntl.ioctl, fd, request, span)
    return run


def resetall():
    disk = struct.unpack("Q", fcntl.ioctl(fd, SIZE, b"\0" * 8))[0]
    fcntl.ioctl(fd, RESET, struct.pack("<QQ", 0, disk // 512))


def zone(number, condition, wp=None):
    report = bytearray(struct.pack("<QII", int(number) * zone_bytes // 512, 1, 0) + bytes(64))
    fcntl.ioctl(fd, REPORT, report)
    start, _, pointer, _, cond = struct.unpack_from("<QQQBB", report, 16)
    got = CONDITIONS[cond], (pointer - start) * 512
    if got[0] != condition or wp is not None and got[1] != size(wp):
        raise AssertionError(f"zone is {got[0]} with write pointer {got[1]}")


VERBS = {"write": write, "read": read, "resetall": resetall, "zone": zone, "open": manage(OPEN),
         "close": manage(CLOSE), "finish": manage(FINISH), "reset": manage(RESET)}

for line in sys.stdin:
    words = line.split("#")[0].split()
    if not words:
        continue
    try:
        VERBS[words[0]](*words[1:])
    except (OSError, AssertionError) as e:
        sys.exit(f"FAILED: {line.strip()}: {e}")

# SPDX-License-Identifier: Apache-2.0
"""writer.py check|write FS DEVICE TOLD: what is durable, and more of it.

write tells a line of whatever it has made durable: "ACK file NAME DIGEST" of a
file below /mnt or, with FS raw, of zones of DEVICE: "ACK zone NUMBER ROUND
BLOCKS"; "TRY NUMBER" comes before a zone's reset. check sees that everything
told in TOLD is there; "FRESH" means that what was told before is not needed any
more. Names and rounds are never used twice.
"""

import fcntl
import hashlib
import mmap
import os
import random
import struct
import sys
import time

MNT = "/mnt"
BLOCK, ZONE = 4096, 8 << 20
ZONES = range(16, 24)
RESET = 1 << 30 | 16 << 16 | 0x12 << 8 | 131  # BLKRESETZONE, include/uapi/linux/blkzoned.h
REPORT = 3 << 30 | 16 << 16 | 0x12 << 8 | 130  # BLKREPORTZONE


def say(*words):
    print(*words, flush=True)


def lost(text):
    say("LOST:", text)
    sys.exit(1)


def told(path):
    lines = []
    with open(path) as f:
        for line in f:
            lines = [] if line.startswith("FRESH") else lines + [line.split()]
    return lines


def fsync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def check_files(lines):
    files = [words[2:] for words in lines if words[:2] == ["ACK", "file"]]
    for name, want in files:
        if not os.path.exists(f"{MNT}/{name}"):
            lost(f"{name} is not there")
        with open(f"{MNT}/{name}", "rb") as f:
            if hashlib.md5(f.read()).hexdigest() != want:
                lost(f"{name} has other contents")
    say(f"CHECKED {len(files)} files")


def write_files():
    rand, begin = random.Random(time.time_ns()), time.time_ns()
    for name in os.listdir(MNT):
        os.remove(f"{MNT}/{name}")
    os.sync()
    say("FRESH")
    while True:
        data = rand.randbytes(rand.choice([700, 5000, 40000, 200000]))
        name = f"f{time.time_ns() - begin}-{begin}"
        with open(f"{MNT}/{name}", "wb", buffering=0) as f:
            f.write(data)
            os.fsync(f.fileno())
        fsync(MNT)
        say("ACK file", name, hashlib.md5(data).hexdigest())
        with open(f"{MNT}/noise", "wb") as f:  # never flushed by us
            f.write(rand.randbytes(20000))


def stamp(zone, turn, index):
    return (b"%08d %020d %08d\n" % (zone, turn, index)).ljust(64, b".") * (BLOCK // 64)


def pointer(fd, zone):
    """The write pointer of a zone, in blocks of it."""
    report = bytearray(struct.pack("<QII", zone * ZONE // 512, 1, 0) + bytes(64))
    fcntl.ioctl(fd, REPORT, report)
    start, _, wp = struct.unpack_from("<QQQ", report, 16)
    return (wp - start) * 512 // BLOCK


def found(fd, zone):
    """Round and blocks of a zone; it must be whole up to its write pointer and empty above."""
    data, end = os.pread(fd, ZONE, zone * ZONE), pointer(fd, zone)
    turn = int(data[9:29]) if end else 0
    for i in range(ZONE // BLOCK):
        if data[i * BLOCK : (i + 1) * BLOCK] != (stamp(zone, turn, i) if i < end else bytes(BLOCK)):
            lost(f"zone {zone}, write pointer at block {end}: block {i} holds {data[i * BLOCK : i * BLOCK + 40]}")
    return turn, end


def check_zones(device, lines):
    fd, acked, tried = os.open(device, os.O_RDONLY), {}, set()
    for words in lines:
        if words[0] == "TRY":
            tried.add(int(words[1]))
        elif words[:2] == ["ACK", "zone"]:
            acked[int(words[2])] = int(words[3]), int(words[4])
            if words[4] == "0":
                tried.discard(int(words[2]))
    for zone in ZONES:
        turn, end = found(fd, zone)
        want, least = acked.get(zone, (0, 0))
        if zone in tried and (end == 0 or turn > want):
            continue  # the reset has happened
        if end < least or least and turn != want or not least and end and turn <= want:
            lost(f"zone {zone} holds {end} blocks of round {turn}, told were {least} of round {want}")
    say(f"CHECKED {sum(n for _, n in acked.values())} blocks of zones")


def write_zones(device):
    fd, rand = os.open(device, os.O_RDWR | os.O_DIRECT), random.Random(time.time_ns())
    buffer, at, turns, flushed = mmap.mmap(-1, 64 * BLOCK), {}, {}, {}

    def reset(zone):
        say("TRY", zone)
        time.sleep(0.1)  # the word is out when it happens
        fcntl.ioctl(fd, RESET, struct.pack("<QQ", zone * ZONE // 512, ZONE // 512))
        at[zone], turns[zone], flushed[zone] = 0, time.time_ns(), 0
        say("ACK zone", zone, turns[zone] - 1, 0)

    for zone in ZONES:
        reset(zone)
    while True:
        zone = rand.choice(ZONES)
        n = min(rand.randrange(1, 33), ZONE // BLOCK - at[zone])
        if n == 0 or rand.randrange(200) == 0:
            reset(zone)
            continue
        for i in range(n):
            buffer[i * BLOCK : (i + 1) * BLOCK] = stamp(zone, turns[zone], at[zone] + i)
        os.pwrite(fd, memoryview(buffer)[: n * BLOCK], zone * ZONE + at[zone] * BLOCK)
        at[zone] += n
        if rand.randrange(6) == 0:
            os.fsync(fd)
            for z in ZONES:
                if at[z] != flushed[z]:
                    say("ACK zone", z, turns[z], at[z])
                    flushed[z] = at[z]


verb, fs, device, path = sys.argv[1:]
if fs == "raw":
    check_zones(device, told(path)) if verb == "check" else write_zones(device)
else:
    check_files(told(path)) if verb == "check" else write_files()

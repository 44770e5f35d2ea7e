// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// blkResetZone is BLKRESETZONE, include/uapi/linux/blkzoned.h.
const blkResetZone = 0x40101283

// zoneRange is struct blk_zone_range, in 512-byte sectors.
type zoneRange struct{ sector, sectors uint64 }

// resets fills all that is written to, and resets zone by zone.
func resets(_ plan, _ workload, c *contender) (m measurement, err error) {
	if err := c.empty(); err != nil {
		return m, err
	}
	if err := c.fill(writeAt, writeSize); err != nil {
		return m, err
	}
	f, err := os.OpenFile(c.dev, os.O_RDWR, 0)
	if err != nil {
		return m, err
	}
	defer f.Close()
	zone, err := c.zoneBytes()
	if err != nil {
		return m, err
	}
	before, began, n := usageOf(c.pid), time.Now(), 0
	for off := uint64(writeAt); off < writeAt+writeSize; off += zone {
		at := time.Now()
		if err := resetZone(f, off, zone); err != nil {
			return m, err
		}
		m.P99 = max(m.P99, float64(time.Since(at).Microseconds()))
		n++
	}
	m.KIOPS = float64(n) / time.Since(began).Seconds() / 1000
	m.charge(usageOf(c.pid).minus(before), float64(n))
	return m, nil
}

func resetZone(f *os.File, off, size uint64) error {
	r := zoneRange{off / 512, size / 512}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), blkResetZone, uintptr(unsafe.Pointer(&r))); e != 0 {
		return fmt.Errorf("reset of the zone at %d: %w", off, e)
	}
	return nil
}

// zoneBytes is the device's zone size, as the kernel sees it.
func (c *contender) zoneBytes() (uint64, error) {
	b, err := os.ReadFile(c.sys("chunk_sectors"))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(trim(b), 10, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%s has no zones: %q, %v", c.dev, b, err)
	}
	return n * 512, nil
}

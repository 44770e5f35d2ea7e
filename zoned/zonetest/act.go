// SPDX-License-Identifier: Apache-2.0

package zonetest

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

// act is one request to the device.
type act struct {
	op   zoned.Operation
	zone uint32
	off  uint64 // bytes from the start of the zone
	n    uint64 // bytes
	all  bool   // reset of all zones
}

func (a act) String() string {
	switch {
	case a.all:
		return "reset-all"
	case a.op == zoned.OpRead || a.op == zoned.OpWrite:
		return fmt.Sprintf("%s of %d bytes at %d of zone %d", a.op, a.n, a.off, a.zone)
	case a.op == zoned.OpAppend:
		return fmt.Sprintf("append of %d bytes to zone %d", a.n, a.zone)
	case a.off != 0:
		return fmt.Sprintf("%s at %d of zone %d", a.op, a.off, a.zone)
	}
	return fmt.Sprintf("%s of zone %d", a.op, a.zone)
}

// opens: the zone must have an open slot for it.
func (a act) opens() bool {
	return a.op == zoned.OpWrite || a.op == zoned.OpAppend || a.op == zoned.OpOpen
}

// zone is one zone of the device, and makes the acts on it. Offsets are bytes
// from its start.
type zone struct {
	d *drive
	i uint32
}

func (z zone) write(off, n uint64) act { return act{op: zoned.OpWrite, zone: z.i, off: off, n: n} }
func (z zone) read(off, n uint64) act  { return act{op: zoned.OpRead, zone: z.i, off: off, n: n} }
func (z zone) append(n uint64) act     { return act{op: zoned.OpAppend, zone: z.i, n: n} }
func (z zone) open() act               { return act{op: zoned.OpOpen, zone: z.i} }
func (z zone) close() act              { return act{op: zoned.OpClose, zone: z.i} }
func (z zone) finish() act             { return act{op: zoned.OpFinish, zone: z.i} }
func (z zone) reset() act              { return act{op: zoned.OpReset, zone: z.i} }

func (d *drive) resetAll() act { return act{op: zoned.OpReset, all: true} }

// start, size and capacity are bytes.
func (z zone) start() uint64    { return z.d.geo.Start(z.i) }
func (z zone) size() uint64     { return z.d.geo.Length(z.i) }
func (z zone) capacity() uint64 { return z.d.geo.Capacity(z.i) }

func errnoName(e syscall.Errno) string {
	if e == 0 {
		return "success"
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}

// The errors a zoned device answers with.
const (
	refused       = syscall.EIO          // a rule of the zone
	noOpenSlot    = syscall.ETOOMANYREFS // the open limit
	noActiveSlot  = syscall.EOVERFLOW    // the active limit
	mediumFailure = syscall.EIO          // the I/O itself
)

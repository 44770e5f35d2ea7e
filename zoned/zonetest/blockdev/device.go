// SPDX-License-Identifier: Apache-2.0

package blockdev

import (
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"zqublkd/internal/blkdev"
	"zqublkd/zoned"
)

// maxIO is the largest request, in bytes, on pages that lie anywhere. The
// kernel would cut a larger one into several, of which some may succeed.
const (
	maxIO = 256 * page // BIO_MAX_VECS, include/linux/bio.h
	page  = 4096

	sector = 512 // bytes
)

// Device is a zonetest.Target over the node of a zoned block device.
type Device struct {
	path   string
	fd     int
	geo    zoned.Geometry
	limits zoned.Limits
	block  uint64
	maxIO  uint64
}

// Open opens the node at path for direct I/O.
func Open(path string) (*Device, error) {
	d := &Device{path: path}
	if err := d.open(); err != nil {
		return nil, err
	}
	if err := d.describe(); err != nil {
		unix.Close(d.fd)
		return nil, err
	}
	return d, nil
}

func (d *Device) open() (err error) {
	d.fd, err = unix.Open(d.path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", d.path, err)
	}
	return nil
}

// Close closes the node.
func (d *Device) Close() error { return unix.Close(d.fd) }

// Geometry implements zonetest.Target.
func (d *Device) Geometry() zoned.Geometry { return d.geo }

// Limits implements zonetest.Target.
func (d *Device) Limits() zoned.Limits { return d.limits }

// Block implements zonetest.Target.
func (d *Device) Block() uint64 { return d.block }

// MaxIO implements zonetest.Target.
func (d *Device) MaxIO() uint64 { return d.maxIO }

// errShort is what Read and Write give when less was moved than asked for, and
// no error said why: the kernel does so at the end of the disk.
const errShort = unix.ENODATA

// Read implements zonetest.Target.
func (d *Device) Read(off uint64, p []byte) syscall.Errno {
	buf := aligned(len(p))
	copy(buf, p)
	n, err := unix.Pread(d.fd, buf, int64(off))
	copy(p, buf)
	return moved(n, len(p), err)
}

// Write implements zonetest.Target. After a failure it asks for a report of
// the zone, without which the kernel would refuse what follows.
func (d *Device) Write(off uint64, p []byte) syscall.Errno {
	errno := d.pwrite(off, p)
	if errno != 0 {
		blkdev.ReportZones(d.fd, off, 1)
	}
	return errno
}

func (d *Device) pwrite(off uint64, p []byte) syscall.Errno {
	buf := aligned(len(p))
	copy(buf, p)
	n, err := unix.Pwrite(d.fd, buf, int64(off))
	return moved(n, len(p), err)
}

func moved(n, want int, err error) syscall.Errno {
	errno, _ := err.(syscall.Errno)
	switch {
	case err == nil && n < want:
		return errShort
	case err != nil && errno == 0:
		return unix.EIO
	}
	return errno
}

// aligned is n bytes where direct I/O takes them.
func aligned(n int) []byte {
	buf := make([]byte, n+page)
	at := -int(uintptr(unsafe.Pointer(&buf[0]))) & (page - 1)
	return buf[at : at+n : at+n]
}

// Manage implements zonetest.Target.
func (d *Device) Manage(op zoned.Operation, off uint64) syscall.Errno {
	return blkdev.ManageZones(d.fd, op, off, d.geo.ZoneSize)
}

// ResetAll implements zonetest.Target.
func (d *Device) ResetAll() syscall.Errno {
	return blkdev.ManageZones(d.fd, zoned.OpReset, 0, d.geo.Size)
}

// Report implements zonetest.Target.
func (d *Device) Report(off uint64, n int) ([]zoned.Info, syscall.Errno) {
	return blkdev.ReportZones(d.fd, off, n)
}

// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/internal/blkdev"
	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

// device is a block device of the kernel.
type device struct {
	*blkdev.Device
	buf []byte // aligned for direct I/O
}

// openDevice claims the device: nobody else may use it meanwhile.
func openDevice(path string) (*device, error) {
	d, err := blkdev.Open(path, unix.O_RDWR|unix.O_DIRECT|unix.O_EXCL)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("%w: somebody uses it (a mount, a device on top): a replay wants it for itself", err)
	}
	if err != nil {
		return nil, err
	}
	buf, err := unix.Mmap(-1, 0, trace.MaxRequest, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return &device{Device: d, buf: buf}, nil
}

func (d *device) Close() error { return errors.Join(unix.Munmap(d.buf), d.Device.Close()) }

func (d *device) zones() ([]zoned.Info, error)  { return d.Zones() }
func (d *device) limits() (zoned.Limits, error) { return d.Limits() }
func (d *device) block() (uint64, error)        { return d.Number("logical_block_size") }

func (d *device) zone(off uint64) (zoned.Info, syscall.Errno) {
	zones, errno := blkdev.ReportZones(d.Fd(), off, 1)
	if errno == 0 && len(zones) == 0 {
		errno = unix.EIO
	}
	if errno != 0 {
		return zoned.Info{}, errno
	}
	return zones[0], 0
}

func (d *device) manage(op zoned.Operation, off, n uint64) syscall.Errno {
	return blkdev.ManageZones(d.Fd(), op, off, n)
}

func (d *device) sync() syscall.Errno { return errnoOf(unix.Fsync(d.Fd())) }

func (d *device) read(off, n uint64) syscall.Errno {
	return d.each(off, n, func(b []byte, at int64) (int, error) { return unix.Pread(d.Fd(), b, at) })
}

func (d *device) write(off, n uint64, fua bool) syscall.Errno {
	flags := 0
	if fua {
		flags = unix.RWF_DSYNC
	}
	fill(d.buf[:n], off)
	return d.each(off, n, func(b []byte, at int64) (int, error) {
		return unix.Pwritev2(d.Fd(), [][]byte{b}, at, flags)
	})
}

// each goes on until all is moved or an error says why not.
func (d *device) each(off, n uint64, move func(b []byte, at int64) (int, error)) syscall.Errno {
	for done := uint64(0); done < n; {
		k, err := move(d.buf[done:n], int64(off+done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return errnoOf(err)
		case k <= 0:
			return unix.EIO
		}
		done += uint64(max(k, 0))
	}
	return 0
}

// fill makes the bytes that a replay writes at byte off of the disk: each 8 of them
// say where they are.
func fill(b []byte, off uint64) {
	for k := 0; k+8 <= len(b); k += 8 {
		binary.LittleEndian.PutUint64(b[k:], off+uint64(k))
	}
}

func errnoOf(err error) (errno syscall.Errno) {
	if err != nil && !errors.As(err, &errno) {
		return unix.EIO
	}
	return errno
}

// SPDX-License-Identifier: Apache-2.0

package blkdev

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/zoned"
)

// Device is a block device that is open.
type Device struct {
	Path  string
	fd    int
	queue string // its directory in sysfs
}

// ErrNotBlockDevice means that a path leads to something else.
var ErrNotBlockDevice = errors.New("not a block device")

// ErrNotZoned means that a block device has no zones.
var ErrNotZoned = errors.New("not a zoned block device")

// Open opens the block device at path with the flags of open(2).
func Open(path string, flags int) (*Device, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFBLK {
		err = ErrNotBlockDevice
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Device{Path: path, fd: fd, queue: sysfsOf(st.Rdev) + "/queue"}, nil
}

// sysfsOf is the directory of a block device in sysfs.
func sysfsOf(rdev uint64) string {
	return fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(rdev), unix.Minor(rdev))
}

// Fd is the open descriptor.
func (d *Device) Fd() int { return d.fd }

// Close closes the device.
func (d *Device) Close() error { return unix.Close(d.fd) }

// Attr returns an attribute of the device's queue in sysfs, such as "zoned" or
// "max_open_zones".
func (d *Device) Attr(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(d.queue, name))
	return strings.TrimSpace(string(b)), err
}

// Number returns an attribute of the device's queue that is a number.
func (d *Device) Number(name string) (uint64, error) {
	text, err := d.Attr(name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 10, 64)
}

// Zones reports all zones of the device; ErrNotZoned if it has none.
func (d *Device) Zones() ([]zoned.Info, error) {
	n, err := d.Number("nr_zones")
	if err != nil || n == 0 {
		return nil, fmt.Errorf("%s: %w", d.Path, ErrNotZoned)
	}
	const most = 4096 // of one call: the kernel bounds what it gathers
	var all []zoned.Info
	for off := uint64(0); uint64(len(all)) < n; {
		some, errno := ReportZones(d.fd, off, most)
		if errno != 0 {
			return nil, fmt.Errorf("zone report of %s: %w", d.Path, errno)
		}
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
		last := some[len(some)-1]
		off = last.Start + last.Length
	}
	return all, nil
}

// Limits returns how many zones may be open and active, 0 for no limit, and how
// many bytes an append may have.
func (d *Device) Limits() (zoned.Limits, error) {
	open, err1 := d.Number("max_open_zones")
	active, err2 := d.Number("max_active_zones")
	most, err3 := d.Number("zone_append_max_bytes")
	return zoned.Limits{MaxOpen: uint32(open), MaxActive: uint32(active), MaxAppend: most},
		errors.Join(err1, err2, err3)
}

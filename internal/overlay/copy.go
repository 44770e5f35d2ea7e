// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"fmt"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// chunk is how much is moved at once, in bytes: a cluster at least.
const chunk = 2 << 20

var zeros [chunk]byte

// target is where data goes.
type target interface {
	WriteAt(p []byte, off uint64) error
	MakeZero(off, n uint64) error
}

// pointers are the write pointers of the zones of an image, bytes of the disk; none of a
// plain one.
func pointers(img *qcow2.Image) (list []uint64, err error) {
	z := img.Zoned()
	if z == nil {
		return nil, nil
	}
	err = img.EachZone(func(zone uint32, e format.ZoneEntry) error {
		list = append(list, min(e.WP, z.WritableEnd(zone)))
		return nil
	})
	return list, err
}

// walk calls f for the runs of a disk that can be read, of a chunk at most, and above for
// what lies between a write pointer and the end of its zone.
func walk(img *qcow2.Image, wps []uint64, f, above func(off, n uint64) error) error {
	z, size := img.Zoned(), img.VirtualSize()
	for off := uint64(0); off < size; {
		end, do := size, f
		if z != nil {
			k := uint32(off / z.ZoneSize)
			end = min(z.ZoneStart(k)+z.ZoneSize, size)
			switch {
			case k < z.Conventional:
			case off < wps[k]:
				end = wps[k]
			default:
				do = above
			}
		}
		for off < end {
			n := min(end-off, chunk-off%chunk)
			if err := do(off, n); err != nil {
				return fmt.Errorf("at %d: %w", off, err)
			}
			off += n
		}
	}
	return nil
}

// raw is a raw file to be written.
type raw struct{ storage.File }

func (r raw) WriteAt(p []byte, off uint64) error {
	_, err := r.File.WriteAt(p, int64(off))
	return err
}

func (r raw) MakeZero(off, n uint64) error {
	if size, err := r.Size(); err == nil && off+n <= uint64(size) && r.PunchHole(int64(off), int64(n)) == nil {
		return nil
	}
	for n > 0 {
		m := min(n, chunk)
		if err := r.WriteAt(zeros[:m], off); err != nil {
			return err
		}
		off, n = off+m, n-m
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"
	"io"

	"zqublkd/qcow2/format"
)

// ZonedView is the disk of an image as its zones make it read: a sequential one
// as zeros above its write pointer, an offline one altogether. One goroutine may use it.
type ZonedView struct {
	*Image
	entries format.ZoneReader
	stored  bool // as it is stored, whatever its zones say
}

// ZonedView returns the view by the rules of the zones.
func (i *Image) ZonedView() *ZonedView {
	return &ZonedView{Image: i, entries: format.ZoneReader{ZoneTable: i.table}}
}

// StoredView returns the disk as it is stored, whatever its zones say.
func (i *Image) StoredView() *ZonedView { return &ZonedView{Image: i, stored: true} }

// NextStored returns the first byte from off on that may be anything but zero, or
// the end of the disk; with an error, where that can't be told.
func (d *ZonedView) NextStored(off uint64) (uint64, error) {
	for off < d.size {
		end, zero, err := d.ruledTo(off)
		if err != nil {
			return off, fmt.Errorf("looking for data: %w", err)
		}
		if zero {
			off = end
			continue
		}
		switch x := d.Lookup(off, end-off); x.Kind {
		case Zero:
			off += x.Len
		case Miss:
			if err := d.Resolve(off, 1); err != nil {
				return off, fmt.Errorf("looking for data: %w", err)
			}
		case Data, Shared:
			hole := d.holeAt(x)
			off += hole
			if hole < x.Len {
				return off, nil
			}
		default:
			return off, nil
		}
	}
	return off, nil
}

// holeAt is how many bytes at the start of a stored extent are a hole of the
// file: space is set aside in long runs, most of which may never be written.
func (i *Image) holeAt(x Extent) uint64 {
	at, err := i.files[x.Layer].SeekData(int64(x.Host))
	switch {
	case err == io.EOF:
		return x.Len
	case err != nil:
		return 0
	}
	return min(uint64(at)-x.Host, x.Len)
}

// ReadByRule reads as ReadAt does, with zeros above write pointers.
func (d *ZonedView) ReadByRule(p []byte, off uint64) error {
	for len(p) > 0 {
		end, zero, err := d.ruledTo(off)
		if err != nil {
			return err
		}
		n := min(end-off, uint64(len(p)))
		if zero {
			clear(p[:n])
		} else if err := d.ReadAt(p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// ruledTo says whether the zones make the disk read as zeros at off, and up to
// where the same holds.
func (d *ZonedView) ruledTo(off uint64) (end uint64, zero bool, err error) {
	z := d.Image.zones
	if z == nil || d.stored {
		return d.size, false, nil
	}
	k := uint32(off / z.ZoneSize)
	end = min(z.ZoneStart(k)+z.ZoneSize, d.size)
	e, err := d.entries.Entry(k)
	switch {
	case err != nil || e.Conventional:
		return end, false, err
	case d.private != nil && d.private.Conditions.At(k) == format.ZoneOffline:
		return end, true, nil
	}
	if wp := min(e.WP, z.WritableEnd(k)); off < wp {
		return wp, false, nil
	}
	return end, true, nil
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"io"

	"zqublkd/qcow2"
)

// sweep gives back what lies above the write pointers of a disk opened for
// writing: data whose write pointer was not durable at a crash, and space of
// resets that were not finished. What lies there in a backing file is hidden. We
// never show it, but other readers of the
// image would. After an orderly stop there is none, and looking for it costs
// one call for each mapped run. A daemon that takes over leaves it alone: there
// was no crash of the image.
func (d *Disk) sweep() error {
	if d.frozen.Load() || d.img.Zoned() == nil || d.state != nil && d.state.Taken() {
		return nil
	}
	zones := d.geo.Zones()
	for i := d.geo.Conventional; i < zones; i++ {
		if err := d.sweepRange(min(d.durability.saved.get(i), d.geo.WritableEnd(i)),
			d.geo.Start(i)+d.geo.Length(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Disk) sweepRange(off, end uint64) error {
	for off < end {
		e, err := d.img.LookupResolved(off, end-off)
		if err != nil {
			return err
		}
		if e.Kind != qcow2.Zero {
			stale, err := d.holdsData(e)
			if err == nil && stale {
				err = d.img.MakeZero(off, e.Len)
			}
			if err != nil {
				return err
			}
		}
		off += e.Len
	}
	return nil
}

// holdsData says whether any byte of a run may be something else than zero.
// Holes begin at pages of the file; what lies before the first is read.
func (d *Disk) holdsData(e qcow2.Extent) (bool, error) {
	if e.Kind != qcow2.Data && e.Kind != qcow2.Shared {
		return true, nil
	}
	const page = 4096
	first := min((e.Host+page-1)&^(page-1), e.Host+e.Len)
	head := make([]byte, first-e.Host)
	if _, err := d.readerOf(e).ReadAt(head, int64(e.Host)); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	for _, b := range head {
		if b != 0 {
			return true, nil
		}
	}
	at, err := d.img.File(e.Layer).SeekData(int64(first))
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil && uint64(at) < e.Host+e.Len, err
}

// readerOf reads the file that a run is stored in.
func (d *Disk) readerOf(e qcow2.Extent) io.ReaderAt {
	if e.Layer > 0 {
		return d.img.File(e.Layer)
	}
	return d.img.DataWay()
}

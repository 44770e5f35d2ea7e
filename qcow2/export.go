package qcow2

import (
	"fmt"
	"io"

	"zqublkd/internal/storage"
)

// ExportOptions of Export; the zero value is good.
type ExportOptions struct {
	// ClusterSize of the image written, in bytes; 0: 64 KiB.
	ClusterSize uint64

	// Progress, if set, is told now and then how many bytes of the virtual
	// disk, from its start, are done.
	Progress func(done uint64)
}

// exportStep is how much of the disk is read at a time, in bytes; large
// clusters make it one cluster.
const exportStep = 1 << 20

// Export writes the virtual disk of src to out as a plain qcow2 image of
// version 3 that any reader of the format can use, whatever out held before.
// What reads as zeros is not stored. The header comes last: an export cut
// short leaves no image.
//
// Above the write pointer a sequential zone reads as zeros by rule, whatever
// the image holds there, and an offline zone, which nobody can read, altogether.
// The write pointers are those read when src was opened: nobody may write to it
// since then.
func Export(src *Image, out storage.File, o ExportOptions) error {
	if err := src.refused(UseRead); err != nil {
		return err
	}
	setDefault(&o.ClusterSize, DefaultClusterSize)
	w, err := newPlainWriter(out, src.size, o.ClusterSize)
	if err != nil {
		return err
	}
	e := exporter{src: src, out: w, progress: o.Progress, buf: make([]byte, max(exportStep, o.ClusterSize))}
	if err := e.copy(); err != nil {
		return err
	}
	return w.finish()
}

type exporter struct {
	src      *Image
	out      *plainWriter
	progress func(uint64)
	buf      []byte // a multiple of clusters of out
}

func (e *exporter) copy() error {
	for off := uint64(0); off < e.src.size; {
		next, err := e.src.nextStored(off)
		if err != nil {
			return err
		}
		off = max(off, e.out.geo.clusterStart(next))
		n := min(uint64(len(e.buf)), e.src.size-off)
		if err := e.step(e.buf[:n], off); err != nil {
			return err
		}
		off += n
		if e.progress != nil {
			e.progress(off)
		}
	}
	return nil
}

// step copies one buffer; a cluster that the disk ends within is filled up
// with zeros.
func (e *exporter) step(p []byte, off uint64) error {
	if len(p) == 0 {
		return nil
	}
	if err := e.src.readByRule(p, off); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	whole := e.buf[:roundUp(uint64(len(p)), e.out.geo.clusterSize())]
	clear(whole[len(p):])
	if err := e.out.put(whole, off); err != nil {
		return fmt.Errorf("export: writing the new image: %w", err)
	}
	return nil
}

// nextStored is the first byte from off on that may be anything but zero, or
// the end of the disk.
func (i *Image) nextStored(off uint64) (uint64, error) {
	for off < i.size {
		end, zero := i.ruledTo(off)
		if zero {
			off = end
			continue
		}
		switch x := i.Lookup(off, end-off); x.Kind {
		case Zero:
			off += x.Len
		case Miss:
			if err := i.Resolve(off, 1); err != nil {
				return 0, fmt.Errorf("looking for data: %w", err)
			}
		case Data, Shared:
			hole := i.holeAt(x)
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

// readByRule is ReadAt, but for zeros above write pointers.
func (i *Image) readByRule(p []byte, off uint64) error {
	for len(p) > 0 {
		end, zero := i.ruledTo(off)
		n := min(end-off, uint64(len(p)))
		if zero {
			clear(p[:n])
		} else if err := i.ReadAt(p[:n], off); err != nil {
			return err
		}
		p, off = p[n:], off+n
	}
	return nil
}

// ruledTo says whether the zones make the disk read as zeros at off, and up to
// where the same holds.
func (i *Image) ruledTo(off uint64) (end uint64, zero bool) {
	if i.zones == nil {
		return i.size, false
	}
	k := uint32(off / i.zones.ZoneSize)
	end = min(i.zones.ZoneStart(k)+i.zones.ZoneSize, i.size)
	switch {
	case i.entries[k].Conventional:
		return end, false
	case i.private != nil && i.private.conditions.at(k) == ZoneOffline:
		return end, true
	}
	if wp := min(i.entries[k].WP, i.zones.WritableEnd(k)); off < wp {
		return wp, false
	}
	return end, true
}

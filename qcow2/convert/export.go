// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"cmp"
	"fmt"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// ExportOptions of Export; the zero value is good.
type ExportOptions struct {
	// ClusterSize of the image written, in bytes; 0: 64 KiB.
	ClusterSize uint64

	// Compress, if set, packs each cluster; one that gets no smaller is stored as it is.
	Compress Packer

	// Unreadable, if set, is told what of the disk can't be read, piece by piece in its order,
	// and why; it becomes zeros. Otherwise such an error ends the export, and an image
	// that open refuses is not begun.
	Unreadable func(off, n uint64, err error)

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
// Nobody may write to src meanwhile.
func Export(src *qcow2.Image, out storage.File, o ExportOptions) error {
	if err := src.Refused(qcow2.UseRead); err != nil && o.Unreadable == nil {
		return err
	}
	o.ClusterSize = cmp.Or(o.ClusterSize, qcow2.DefaultClusterSize)
	w, err := newPlainWriter(out, src.VirtualSize(), o.ClusterSize)
	if err != nil {
		return err
	}
	if src.Zoned() == nil { // its partition table counts in the blocks it was made with
		w.block = src.LogicalBlockSize()
	}
	w.pack = o.Compress
	e := exporter{src: reader{ZonedView: src.ZonedView(), unreadable: o.Unreadable}, out: w, progress: o.Progress,
		buf: make([]byte, max(exportStep, o.ClusterSize))}
	if err := e.copy(); err != nil {
		return err
	}
	return w.finish()
}

type exporter struct {
	src      reader
	out      *plainWriter
	progress func(uint64)
	buf      []byte // a multiple of clusters of out
}

func (e *exporter) copy() error {
	for off := uint64(0); off < e.src.VirtualSize(); {
		next, err := e.src.NextStored(off)
		if err != nil {
			return err
		}
		off = max(off, e.out.geo.ClusterStart(next))
		n := min(uint64(len(e.buf)), e.src.VirtualSize()-off)
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
	if err := e.src.ReadByRule(p, off); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	whole := e.buf[:format.RoundUp(uint64(len(p)), e.out.geo.ClusterSize())]
	clear(whole[len(p):])
	if err := e.out.put(whole, off); err != nil {
		return fmt.Errorf("export: writing the new image: %w", err)
	}
	return nil
}

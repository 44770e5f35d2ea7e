// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"fmt"
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// RawSink takes a disk from its start to its end, in pieces; lengths in bytes.
type RawSink interface {
	Data(p []byte) error
	Zeros(n uint64) error
}

// rawBlock is the grain of holes, in bytes: a page, below which no file system has
// any.
const rawBlock = 4096

// ExportRaw gives the virtual disk of src to out byte by byte, by the rules that
// Export has. Nobody may write to src meanwhile.
func ExportRaw(src *qcow2.Image, out RawSink, o ExportOptions) error {
	if err := src.Refused(qcow2.UseRead); err != nil && o.Unreadable == nil {
		return err
	}
	view := reader{ZonedView: src.ZonedView(), unreadable: o.Unreadable}
	buf := make([]byte, exportStep)
	for off := uint64(0); off < view.VirtualSize(); {
		next, err := view.NextStored(off)
		if err != nil {
			return err
		}
		if next = max(off, min(next, view.VirtualSize())&^(rawBlock-1)); next > off {
			if err := out.Zeros(next - off); err != nil {
				return fmt.Errorf("export: writing the disk: %w", err)
			}
			off = next
		}
		p := buf[:min(uint64(len(buf)), view.VirtualSize()-off)]
		if err := view.ReadByRule(p, off); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if err := putRaw(out, p); err != nil {
			return fmt.Errorf("export: writing the disk: %w", err)
		}
		off += uint64(len(p))
		if o.Progress != nil {
			o.Progress(off)
		}
	}
	return nil
}

// putRaw tells blocks of zeros from others.
func putRaw(out RawSink, p []byte) error {
	for len(p) > 0 {
		n := min(rawBlock, len(p))
		zero := format.IsZero(p[:n])
		for n < len(p) && format.IsZero(p[n:min(n+rawBlock, len(p))]) == zero {
			n = min(n+rawBlock, len(p))
		}
		var err error
		if zero {
			err = out.Zeros(uint64(n))
		} else {
			err = out.Data(p[:n])
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// RawFile is a sink that is a file or a block device.
type RawFile struct {
	f     storage.File
	blank bool
	at    int64
}

// NewRawFile makes a sink of f for a disk of size bytes. blank says that what is
// not written of f reads as zeros, and that it may be as long as it takes.
func NewRawFile(f storage.File, size uint64, blank bool) (*RawFile, error) {
	if blank {
		return &RawFile{f: f, blank: true}, f.Truncate(int64(size))
	}
	there, err := f.Size()
	if err == nil && uint64(there) < size {
		err = fmt.Errorf("it has %d bytes, the disk needs %d: %w", there, size, storage.ErrTooSmall)
	}
	return &RawFile{f: f}, err
}

// Data implements RawSink.
func (w *RawFile) Data(p []byte) error {
	n, err := w.f.WriteAt(p, w.at)
	w.at += int64(n)
	return err
}

// Zeros implements RawSink.
func (w *RawFile) Zeros(n uint64) error {
	if w.blank {
		w.at += int64(n)
		return nil
	}
	return eachZeros(n, w.Data)
}

// RawStream is a sink that is a pipe or any other stream.
type RawStream struct{ W io.Writer }

// Data implements RawSink.
func (w RawStream) Data(p []byte) error {
	_, err := w.W.Write(p)
	return err
}

// Zeros implements RawSink.
func (w RawStream) Zeros(n uint64) error { return eachZeros(n, w.Data) }

var zeros [64 << 10]byte

func eachZeros(n uint64, write func([]byte) error) error {
	for n > 0 {
		p := zeros[:min(n, uint64(len(zeros)))]
		if err := write(p); err != nil {
			return err
		}
		n -= uint64(len(p))
	}
	return nil
}

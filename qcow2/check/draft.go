// SPDX-License-Identifier: Apache-2.0

package check

import (
	"io"

	"zqublkd/internal/storage"
	"zqublkd/qcow2/format"
)

// draft is a file as it would be after changes, which are kept in memory until it
// is known whether they do any good.
type draft struct {
	storage.File
	size  int64
	pages map[int64]*[draftPage]byte // by offset; the rest is the file's
	steps []draftStep
}

// draftStep is a change or a Datasync, in their order.
type draftStep struct {
	kind draftKind
	off  int64 // of a write, or the new size; bytes
	data []byte
}

type draftKind uint8

const (
	draftWrite draftKind = iota
	draftTruncate
	draftSync
)

const (
	draftPage  = 4096
	draftAhead = 1 << format.MaxClusterBits // how far SeekData looks at a time
)

// newDraft is an empty draft of changes to a file.
func newDraft(f storage.File) (*draft, error) {
	size, err := f.Size()
	return &draft{File: f, size: size, pages: make(map[int64]*[draftPage]byte)}, err
}

func (d *draft) Size() (int64, error) { return d.size, nil }

func (d *draft) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(d.size-off, 0)))
	got, err := d.File.ReadAt(p[:n], off)
	if err != nil && err != io.EOF {
		return got, err
	}
	clear(p[got:n])
	for at := off &^ (draftPage - 1); at < off+int64(n); at += draftPage {
		if page := d.pages[at]; page != nil {
			skip := max(off-at, 0)
			copy(p[at+skip-off:n], page[skip:])
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *draft) WriteAt(p []byte, off int64) (int, error) {
	d.steps = append(d.steps, draftStep{draftWrite, off, append([]byte(nil), p...)})
	d.size = max(d.size, off+int64(len(p)))
	for n := 0; n < len(p); {
		at := (off + int64(n)) &^ (draftPage - 1)
		page := d.pages[at]
		if page == nil {
			page = new([draftPage]byte)
			if _, err := d.File.ReadAt(page[:], at); err != nil && err != io.EOF {
				return n, err
			}
			d.pages[at] = page
		}
		n += copy(page[off+int64(n)-at:], p[n:])
	}
	return len(p), nil
}

// Truncate makes the file longer; a check never makes one shorter.
func (d *draft) Truncate(size int64) error {
	d.steps = append(d.steps, draftStep{kind: draftTruncate, off: size})
	d.size = max(d.size, size)
	return nil
}

func (d *draft) Datasync() error {
	d.steps = append(d.steps, draftStep{kind: draftSync})
	return nil
}

// SeekData finds less than there is rather than to miss a change.
func (d *draft) SeekData(off int64) (int64, error) {
	end := off + draftAhead
	for at := off &^ (draftPage - 1); at < end; at += draftPage {
		if d.pages[at] != nil {
			end = max(at, off)
		}
	}
	at, err := d.File.SeekData(off)
	if err == io.EOF && end >= d.size {
		return 0, io.EOF
	}
	if err != nil && err != io.EOF {
		return 0, err
	}
	if err == io.EOF || at > end {
		at = end
	}
	return at, nil
}

// changed says whether there is anything to be written.
func (d *draft) changed() bool {
	for _, s := range d.steps {
		if s.kind != draftSync {
			return true
		}
	}
	return false
}

// Commit does to the file what was done to the draft.
func (d *draft) Commit() error {
	for _, s := range d.steps {
		var err error
		switch s.kind {
		case draftWrite:
			_, err = d.File.WriteAt(s.data, s.off)
		case draftTruncate:
			err = d.File.Truncate(s.off)
		case draftSync:
			err = d.File.Datasync()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

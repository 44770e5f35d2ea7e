// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// ErrNotAgain is an overlay that can't be made anew, or an image that is no overlay.
var ErrNotAgain = errors.New("there is nothing to go back to")

// Again is an overlay that can be made anew over the same backing file: it holds nothing
// of its own then.
type Again struct {
	path    string
	options qcow2.CreateOptions
}

// NewAgain looks at the overlay at path, which may be in use.
func NewAgain(path string) (*Again, error) {
	f, err := storage.Open(path, storage.Options{ReadOnly: true, NoLock: true})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	img, err := qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	h := img.Header()
	switch {
	case h.BackingFile == "":
		return nil, fmt.Errorf("%s: %w: it has no backing file", path, ErrNotAgain)
	case h.Incompatible&format.IncompatDataFile != 0:
		return nil, fmt.Errorf("%s: %w: its data is in another file: make it again with qemu-img", path, ErrNotAgain)
	case h.SnapshotCount != 0:
		return nil, fmt.Errorf("%s: %w: its %d internal snapshots would be lost; delete them with qemu-img snapshot -d first", path, ErrNotAgain, h.SnapshotCount)
	}
	a := &Again{path: path, options: qcow2.CreateOptions{
		ClusterSize: img.ClusterSize(), RefcountBits: 1 << h.RefcountOrder,
		ExtendedL2: h.Incompatible&format.IncompatExtendedL2 != 0,
		Backing:    &qcow2.BackingOptions{Name: h.BackingFile, Format: h.BackingFormat()},
	}}
	if z := img.Zoned(); z != nil {
		a.options.Zone = &qcow2.ZoneOptions{Revision: z.Revision, Counters: img.HasCounters()}
	} else {
		a.options.Size, a.options.LogicalBlockSize = img.VirtualSize(), img.LogicalBlockSize()
	}
	b, err := a.backing()
	if err != nil {
		return nil, err
	}
	return a, b.Close()
}

// backing opens the backing file and judges what is to be made over it.
func (a *Again) backing() (*imagefile.Backing, error) {
	b, err := imagefile.OpenBacking(a.options.Backing.Name, a.options.Backing.Format, a.path)
	if err != nil {
		return nil, err
	}
	a.options.Backing = &b.BackingOptions
	if err := a.options.Validate(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", a.path, err), b.Close())
	}
	return b, nil
}

// Make makes the overlay anew. Nobody may use it; until the new one is complete the old one
// has its name.
func (a *Again) Make() error {
	b, err := a.backing()
	if err != nil {
		return err
	}
	defer b.Close()
	f, err := storage.NewDraft(a.path, true, b.File)
	if err != nil {
		return err
	}
	defer f.Close()
	if err = qcow2.Create(f, a.options); err == nil {
		err = f.Publish()
	}
	return err
}

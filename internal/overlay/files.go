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

// Options of Commit and Rebase.
type Options struct {
	AllowBacking bool // names found in images are followed
	AllowData    bool // those of external data files, too

	// Idle says whether a file may be changed: whether nobody serves it, and nothing of it
	// waits in a dead daemon's state.
	Idle func(path string) error

	// Progress, if set, is told how far it is. An error ends the work, and the images are
	// closed in order.
	Progress func(done, all uint64) error
}

func (o *Options) report(all uint64) func(uint64) error {
	if o.Progress == nil {
		return nil
	}
	return func(done uint64) error { return o.Progress(done, all) }
}

// files are those that an image may name.
func (o *Options) files(readOnly bool) imagefile.Options {
	return imagefile.Options{Options: storage.Options{ReadOnly: readOnly},
		AllowBacking: o.AllowBacking, AllowData: o.AllowData}
}

// ErrNoOverlay is an image without a backing file.
var ErrNoOverlay = errors.New("it has no backing file")

// own opens an overlay without what it names, to read what it holds itself. Nobody else may
// use it.
func own(path string) (*qcow2.Image, *storage.OSFile, error) {
	f, err := storage.Open(path, storage.Options{})
	if err != nil {
		return nil, nil, err
	}
	var img *qcow2.Image
	if err = storage.SettleAll(f, nil); err == nil { // what is in memory alone is not to be believed
		img, err = qcow2.Open(f, qcow2.OpenOptions{ReadOnly: true, Lenient: true})
	}
	switch {
	case err != nil:
	case img.Header().BackingFile == "":
		err = ErrNoOverlay
	case img.Header().Incompatible&format.IncompatDataFile != 0:
		err = &format.UnsupportedError{Feature: "an overlay whose data is in another file", WayOut: "qemu-img commit and rebase do that"}
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return img, f, nil
}

// below is the path and format of the backing file that an overlay names.
func below(path string, h *format.Header) (file, kind string, err error) {
	b, err := imagefile.OpenBacking(h.BackingFile, h.BackingFormat(), path)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", path, err)
	}
	return b.Path, b.Format, b.Close()
}

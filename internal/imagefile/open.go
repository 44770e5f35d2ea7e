// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Options of Open.
type Options struct {
	storage.Options

	AllowBacking bool // follow the names of backing files
	AllowOwn     bool // follow that in the image itself, which we have made
	AllowData    bool // follow the name of an external data file

	// Lenient opens what would be refused, for looking at it.
	Lenient bool

	Snapshot    string // as in qcow2.OpenOptions
	IgnoreZones bool   // as in qcow2.OpenOptions
	CacheBytes  uint64 // as in qcow2.OpenOptions
}

// Layer is one file of an opened image.
type Layer struct {
	Path   string
	Format string // "qcow2", "raw"; of data files "data"
	File   *storage.OSFile
	Image  *qcow2.Image // nil unless the format is qcow2
}

// Opened is an image with its files.
type Opened struct {
	Image  *qcow2.Image
	File   *storage.OSFile // the image's own
	Layers []Layer         // all files, the image's own last
}

// Files are those of all layers.
func (o *Opened) Files() []*storage.OSFile {
	files := make([]*storage.OSFile, len(o.Layers))
	for k, l := range o.Layers {
		files[k] = l.File
	}
	return files
}

// Close closes the files. The image must be closed before.
func (o *Opened) Close() error {
	var errs []error
	for _, l := range o.Layers {
		errs = append(errs, l.File.Close())
	}
	return errors.Join(errs...)
}

// Open opens the image at path, and what it names as far as allowed.
func Open(path string, o Options) (*Opened, error) {
	c := &chain{options: o}
	img, err := c.openImage(path, o.Options)
	if err != nil {
		return nil, errors.Join(err, c.opened.Close())
	}
	last := c.opened.Layers[len(c.opened.Layers)-1]
	c.opened.Image, c.opened.File = img, last.File
	return &c.opened, nil
}

// chain is the files opened so far, those below an image before it.
type chain struct {
	options Options
	opened  Opened
	path    []*storage.OSFile // from the image down to where we are
}

// openImage opens an image and first everything below it.
func (c *chain) openImage(path string, so storage.Options) (*qcow2.Image, error) {
	f, err := storage.Open(path, so)
	if err != nil {
		return nil, err
	}
	img, err := c.openIn(f, so)
	c.opened.Layers = append(c.opened.Layers, Layer{Path: path, Format: "qcow2", File: f, Image: img})
	return img, err
}

// openIn opens the image in a file that is open already.
func (c *chain) openIn(f *storage.OSFile, so storage.Options) (*qcow2.Image, error) {
	c.path = append(c.path, f)
	h, err := qcow2.ReadHeader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(), err)
	}
	o := qcow2.OpenOptions{ReadOnly: so.ReadOnly, IgnoreZones: c.options.IgnoreZones, CacheBytes: c.options.CacheBytes}
	if len(c.path) == 1 {
		o.Lenient, o.Snapshot = c.options.Lenient, c.options.Snapshot
	}
	if c.options.AllowData && h.Incompatible&format.IncompatDataFile != 0 {
		if o.Data, err = c.openData(f, h, so); err != nil {
			return nil, err
		}
	}
	if (c.options.AllowBacking || c.options.AllowOwn && len(c.path) == 1) && h.BackingFile != "" {
		if o.Base, err = c.openBase(f, h, so); err != nil {
			return nil, err
		}
	}
	img, err := qcow2.Open(f, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(), err)
	}
	return img, nil
}

// openData opens the external data file that an image names.
func (c *chain) openData(f *storage.OSFile, h *format.Header, so storage.Options) (storage.File, error) {
	t, err := c.follow(f, h.DataFile())
	if err != nil {
		return nil, refused("external data file", h.DataFile(), err)
	}
	data, err := storage.Open(t.path, so)
	if err != nil {
		return nil, fmt.Errorf("external data file of %s: %w", f.Path(), err)
	}
	c.opened.Layers = append(c.opened.Layers, Layer{Path: t.path, Format: "data", File: data})
	return data, nil
}

// openBase opens the backing file that an image names.
func (c *chain) openBase(f *storage.OSFile, h *format.Header, so storage.Options) (*qcow2.Base, error) {
	t, err := c.follow(f, h.BackingFile)
	if err != nil {
		return nil, refused("backing file", h.BackingFile, err)
	}
	so.ReadOnly = true
	base, err := storage.Open(t.path, so)
	if err != nil {
		return nil, fmt.Errorf("backing file of %s: %w", f.Path(), err)
	}
	format, err := formatOf(base, h.BackingFormat(), t.format)
	if err != nil {
		return nil, errors.Join(refused("backing file", h.BackingFile, err), base.Close())
	}
	if format == "raw" {
		c.opened.Layers = append(c.opened.Layers, Layer{Path: t.path, Format: format, File: base})
		return qcow2.BaseRaw(base)
	}
	img, err := c.openIn(base, so)
	c.opened.Layers = append(c.opened.Layers, Layer{Path: t.path, Format: format, File: base, Image: img})
	if err != nil {
		return nil, err
	}
	return qcow2.BaseImage(img)
}

// follow turns a name found in the image f into what it leads to, unless that is
// open already: nothing good can come of a file used twice.
func (c *chain) follow(f *storage.OSFile, name string) (target, error) {
	t, err := parseName(name, filepath.Dir(f.Path()))
	if err != nil {
		return t, err
	}
	if len(c.path) >= qcow2.MaxLayers {
		return t, fmt.Errorf("the chain has %d files already", len(c.path))
	}
	same := func(f *storage.OSFile) bool { return f.Is(t.path) }
	if slices.ContainsFunc(c.path, same) ||
		slices.ContainsFunc(c.opened.Layers, func(l Layer) bool { return same(l.File) }) {
		return t, fmt.Errorf("it leads back to %s, which is in use here already", t.path)
	}
	return t, nil
}

// formatOf is the format of a backing file: what the image records or, where it
// records none, what can't be a trick of the bytes in the file.
func formatOf(f *storage.OSFile, recorded, inName string) (string, error) {
	named := recorded
	if named == "" {
		named = inName
	}
	switch {
	case inName != "" && named != inName:
		return "", fmt.Errorf("its format is both %q and %q", named, inName)
	case named == "raw" || named == "qcow2":
		return named, nil
	case named != "":
		return "", fmt.Errorf("its format %q can't be read: only qcow2 and raw can", named)
	}
	h, err := qcow2.ReadHeader(f)
	switch {
	case errors.Is(err, format.ErrNotQcow2):
		foreign, err := Foreign(f)
		if err != nil {
			return "", err
		}
		if foreign != "" {
			return "", fmt.Errorf("the image does not say its format, and it looks like %s: if it is raw, record that with qemu-img rebase -u -F raw -b", foreign)
		}
		return "raw", nil
	case err != nil:
		return "", err
	case h.BackingFile != "" || h.Incompatible&format.IncompatDataFile != 0:
		return "", errors.New("the image does not say its format, and it names more files: record the format with qemu-img rebase -u -F qcow2 -b")
	}
	return "qcow2", nil
}

func refused(what, name string, err error) error {
	var known *qcow2.NotFollowedError
	if errors.As(err, &known) {
		return err
	}
	return &qcow2.NotFollowedError{What: what, Name: name, Why: err.Error()}
}

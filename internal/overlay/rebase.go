// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"errors"
	"fmt"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Rebase makes the overlay at path one over another file, named as in the image, or over none
// for an empty name. The overlay reads as before: what it would read otherwise from the new
// backing file is copied into it first. Whatever ends it in between, it reads as before, over
// the old one or the new one. kind is the format, empty if the file is to say so.
func Rebase(path, name, kind string, o Options) error {
	in, err := imagefile.Open(path, o.files(false))
	if err != nil {
		return err
	}
	defer in.Close()
	if in.Image.Header().BackingFile == "" {
		return errors.Join(fmt.Errorf("%s: %w", path, ErrNoOverlay), in.Image.Close())
	}
	err = rebase(in, path, name, kind, o)
	if e := in.Image.Close(); err == nil {
		err = e
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

func rebase(in *imagefile.Opened, path, name, kind string, o Options) error {
	next := &newBase{}
	if name != "" {
		var err error
		if next, err = openNewBase(in, path, name, kind, o); err != nil {
			return err
		}
		defer next.close()
	}
	if err := Absorb(in.Image, next.base, o.report(in.Image.VirtualSize())); err != nil {
		return err
	}
	return in.Image.SetBacking(name, next.kind)
}

// newBase is what an overlay is to lie over.
type newBase struct {
	base  *qcow2.Base
	kind  string
	close func() error
}

func openNewBase(in *imagefile.Opened, path, name, kind string, o Options) (*newBase, error) {
	b, err := imagefile.OpenBacking(name, kind, path)
	if err != nil {
		return nil, err
	}
	if err := o.Idle(b.Path); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	n := &newBase{kind: b.Format, close: b.Close}
	if b.Format == "raw" {
		if in.Image.Zoned() != nil {
			err = fmt.Errorf("%s is raw, and a zoned overlay lies over zoned images only", b.Path)
		} else {
			n.base, err = qcow2.BaseRaw(b.File)
		}
		if err == nil {
			return n, nil
		}
		return nil, errors.Join(err, b.Close())
	}
	if err := b.Close(); err != nil {
		return nil, err
	}
	opened, err := imagefile.Open(b.Path, o.files(true))
	if err != nil {
		return nil, err
	}
	n.close = func() error { return errors.Join(opened.Image.Close(), opened.Close()) }
	if err = n.judge(in, opened); err == nil {
		n.base, err = qcow2.BaseImage(opened.Image)
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// judge says what keeps an overlay from lying over another chain.
func (n *newBase) judge(in, opened *imagefile.Opened) error {
	for _, l := range opened.Layers {
		if in.File.Is(l.Path) {
			return fmt.Errorf("%s lies over the overlay itself", opened.File.Path())
		}
	}
	if files := len(opened.Layers); files >= qcow2.MaxLayers {
		return fmt.Errorf("the chain below %s has %d files already", opened.File.Path(), files)
	}
	return in.Image.MayLieOver(opened.Image)
}

// Absorb copies into an overlay, opened for writing with what it lies over, what it would
// read otherwise from next, and makes that durable. next may be nil.
func Absorb(img *qcow2.Image, next *qcow2.Base, progress func(uint64) error) error {
	a, err := newAbsorb(img, next)
	if err != nil {
		return err
	}
	err = walk(img, a.wps, func(off, n uint64) error {
		err := a.each(off, n, a.compare)
		if progress != nil && err == nil {
			err = progress(off + n)
		}
		return err
	}, func(off, n uint64) error { return img.ZeroOver(next, off, n) })
	if err != nil {
		return err
	}
	return img.Sync()
}

type absorb struct {
	img      *qcow2.Image
	next     *qcow2.Base
	wps      []uint64
	old, new []byte // a cluster each
}

func newAbsorb(img *qcow2.Image, next *qcow2.Base) (*absorb, error) {
	wps, err := pointers(img)
	return &absorb{img: img, next: next, wps: wps,
		old: make([]byte, img.ClusterSize()), new: make([]byte, img.ClusterSize())}, err
}

// each calls f for what the overlay reads from below of a range.
func (a *absorb) each(off, n uint64, f func(off, n uint64) error) error {
	for end := off + n; off < end; {
		x, err := a.img.LookupOwn(off, end-off)
		if err == nil && x.Kind == qcow2.Absent {
			err = f(off, x.Len)
		}
		if err != nil {
			return err
		}
		off += x.Len
	}
	return nil
}

// compare looks at a range cluster by cluster.
func (a *absorb) compare(off, n uint64) error {
	if zero, err := a.bothZero(off, n); zero || err != nil {
		return err
	}
	for end := off + n; off < end; {
		m := min(end-off, a.img.ClusterSize()-off%a.img.ClusterSize())
		old, now := a.old[:m], a.new[:m]
		if err := errors.Join(a.img.ReadAt(old, off), a.next.ReadAt(now, off)); err != nil {
			return err
		}
		if err := a.keep(old, now, off); err != nil {
			return err
		}
		off += m
	}
	return nil
}

// keep writes what would change.
func (a *absorb) keep(old, now []byte, off uint64) error {
	switch {
	case bytes.Equal(old, now):
		return nil
	case format.IsZero(old):
		return a.img.ZeroOver(a.next, off, uint64(len(old)))
	}
	return a.img.WriteAt(old, off)
}

func (a *absorb) bothZero(off, n uint64) (bool, error) {
	if zero, err := a.next.Zero(off, n); !zero || err != nil {
		return false, err
	}
	for n > 0 {
		x, err := a.img.LookupResolved(off, n)
		if err != nil || x.Kind != qcow2.Zero {
			return false, err
		}
		off, n = off+x.Len, n-x.Len
	}
	return true, nil
}

// Rename is Rebase that believes its caller that nothing is to be copied: only the name and
// the format in the overlay change, whatever the file is, if there is one.
func Rename(path, name, kind string) error {
	f, err := storage.Open(path, storage.Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := qcow2.Open(f, qcow2.OpenOptions{NoData: true})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if kind == "" {
		kind = img.Header().BackingFormat()
	}
	switch {
	case name != "" && kind == "":
		err = errors.New("the overlay records no format of its backing file: say that of the new one with -F")
	case name != "" && kind != "qcow2" && img.Zoned() != nil:
		err = errors.New("a zoned overlay lies over zoned images only, whose format is qcow2")
	default:
		err = img.SetBacking(name, kind)
	}
	if e := img.Close(); err == nil {
		err = e
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

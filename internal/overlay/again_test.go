// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
)

// folder is where a test has its images.
type folder struct {
	*testing.T
	dir string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f folder) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// image makes an image; with a base it is an overlay of that.
func (f folder) image(name, base string, o qcow2.CreateOptions) {
	f.Helper()
	if base != "" {
		b, err := imagefile.OpenBacking(base, "qcow2", f.path(name))
		f.must(err)
		defer b.Close()
		o.Backing = &b.BackingOptions
	}
	file, err := storage.Create(f.path(name), true)
	f.must(err)
	defer file.Close()
	f.must(qcow2.Create(file, o))
}

// open opens an image with its chain.
func (f folder) open(name string, readOnly bool) *imagefile.Opened {
	f.Helper()
	o, err := imagefile.Open(f.path(name), imagefile.Options{Options: storage.Options{ReadOnly: readOnly}, AllowBacking: true})
	f.must(err)
	return o
}

func (f folder) closed(o *imagefile.Opened) {
	f.Helper()
	f.must(errors.Join(o.Image.Close(), o.Close()))
}

// write writes n bytes of b.
func (f folder) write(name string, b byte, off, n uint64) {
	f.Helper()
	o := f.open(name, false)
	f.must(o.Image.WriteAt(bytes.Repeat([]byte{b}, int(n)), off))
	f.closed(o)
}

// reads is what a whole image reads as.
func (f folder) reads(name string) []byte {
	f.Helper()
	o := f.open(name, true)
	defer f.closed(o)
	b := make([]byte, o.Image.VirtualSize())
	f.must(o.Image.ReadAt(b, 0))
	return b
}

// TestAgain: an overlay that was written to is one that holds nothing, of the same make.
func TestAgain(t *testing.T) {
	f := newFolder(t)
	zoned := &qcow2.ZoneOptions{Size: 1 << 20, Revision: "v11", MaxActive: 3}
	f.image("plain", "", qcow2.CreateOptions{Size: 8 << 20})
	f.image("zoned", "", qcow2.CreateOptions{Size: 8 << 20, Zone: zoned})
	for _, base := range []string{"plain", "zoned"} {
		f.write(base, 1, 0, 4096)
		top := "over-" + base
		f.image(top, base, qcow2.CreateOptions{ClusterSize: 16 << 10, RefcountBits: 8, ExtendedL2: true})
		f.write(top, 2, 0, 8192)
		before, err := os.ReadFile(f.path(base))
		f.must(err)
		a, err := NewAgain(f.path(top))
		f.must(err)
		f.must(a.Make())
		if got, want := f.reads(top), f.reads(base); !bytes.Equal(got, want) {
			t.Errorf("%s: not what the backing file has", top)
		}
		o := f.open(top, true)
		h := o.Image.Header()
		if o.Image.ClusterSize() != 16<<10 || h.RefcountOrder != 3 || h.BackingFile != base || h.BackingFormat() != "qcow2" || (o.Image.Zoned() != nil) != (base == "zoned") {
			t.Errorf("%s: %+v", top, h)
		}
		f.closed(o)
		after, err := os.ReadFile(f.path(base))
		f.must(err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s was written", base)
		}
	}
	if _, err := NewAgain(f.path("plain")); !errors.Is(err, ErrNotAgain) {
		t.Errorf("no overlay: %v", err)
	}
}

// TestAgainInUse: what somebody uses stays as it is.
func TestAgainInUse(t *testing.T) {
	f := newFolder(t)
	f.image("base", "", qcow2.CreateOptions{Size: 8 << 20})
	f.image("top", "base", qcow2.CreateOptions{})
	f.write("top", 3, 0, 512)
	o := f.open("top", false)
	a, err := NewAgain(f.path("top"))
	f.must(err)
	if err := a.Make(); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	f.closed(o)
	if f.reads("top")[0] != 3 {
		t.Error("it was made anew all the same")
	}
}

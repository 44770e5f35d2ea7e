// SPDX-License-Identifier: Apache-2.0

package imagefile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// folder is where a test has its images.
type folder struct {
	*testing.T
	dir string
}

func newFolder(t *testing.T) folder { return folder{t, t.TempDir()} }

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// image makes an image of 1 MiB, changes its header and fills a megabyte with
// one byte.
func (f folder) image(name string, fill byte, change func(*format.Header)) {
	f.Helper()
	file, err := storage.Create(f.path(name), true)
	f.must(err)
	defer file.Close()
	f.must(qcow2.Create(file, qcow2.CreateOptions{Size: 1 << 20, ClusterSize: 4096}))
	if fill != 0 {
		i, err := qcow2.Open(file, qcow2.OpenOptions{})
		f.must(err)
		f.must(i.WriteAt(bytes.Repeat([]byte{fill}, 4096), uint64(fill)*4096))
		f.must(i.Close())
	}
	h, err := qcow2.ReadHeader(file)
	f.must(err)
	if change != nil {
		change(h)
	}
	b, err := h.Encode()
	f.must(err)
	_, err = file.WriteAt(b, 0)
	f.must(err)
}

func (f folder) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// on names a backing file of a format, which may be empty.
func on(name, as string) func(*format.Header) {
	return func(h *format.Header) {
		h.BackingFile = name
		if as != "" {
			h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtBackingFormat, Data: []byte(as)})
		}
	}
}

func withData(name string) func(*format.Header) {
	return func(h *format.Header) {
		h.Incompatible |= format.IncompatDataFile
		h.Extensions = append(h.Extensions, format.Extension{Type: format.ExtDataFile, Data: []byte(name)})
	}
}

var all = Options{AllowBacking: true, AllowData: true}

// TestChain: three layers, opened in their folders, each byte from its own; the
// one on top is written alone.
func TestChain(t *testing.T) {
	f := newFolder(t)
	f.must(os.Mkdir(f.path("sub"), 0o700))
	f.must(os.WriteFile(f.path("sub/raw"), bytes.Repeat([]byte{9}, 512<<10), 0o600))
	f.image("sub/middle", 7, on("raw", "raw"))
	f.image("top", 5, on("sub/middle", "qcow2"))
	o, err := Open(f.path("top"), all)
	f.must(err)
	defer o.Close()
	for at, want := range map[uint64]byte{0: 9, 7 * 4096: 7, 5 * 4096: 5, 600 << 10: 0} {
		got := make([]byte, 512)
		f.must(o.Image.ReadAt(got, at))
		if !bytes.Equal(got, bytes.Repeat([]byte{want}, 512)) {
			t.Errorf("at %d: %d, want %d", at, got[0], want)
		}
	}
	if _, err := storage.Open(f.path("sub/middle"), storage.Options{}); !errors.Is(err, storage.ErrInUse) {
		t.Errorf("a backing file can be opened for writing: %v", err)
	}
	f.must(o.Image.WriteAt([]byte{1}, 7*4096+1))
	f.must(o.Image.Close())
	other, err := Open(f.path("sub/middle"), Options{Options: storage.Options{ReadOnly: true}, AllowBacking: true})
	f.must(err)
	f.must(other.Close())
}

// TestRefused: what a name must not lead to, in one line that says why.
func TestRefused(t *testing.T) {
	f := newFolder(t)
	f.must(unix.Mkfifo(f.path("pipe"), 0o600))
	f.must(os.WriteFile(f.path("raw"), make([]byte, 1<<20), 0o600))
	f.must(os.Symlink("raw", f.path("link")))
	f.image("plain", 0, nil)
	f.image("loop1", 0, on("loop2", "qcow2"))
	f.image("loop2", 0, on("loop1", "qcow2"))
	f.image("names-more", 0, on("plain", "qcow2"))
	f.image("shares", 0, on("raw", "raw"))
	for _, c := range []struct {
		name   string
		change func(*format.Header)
		o      Options
		is     error // nil: it opens
		says   string
	}{
		{"backing file not allowed", on("raw", "raw"), Options{AllowData: true}, qcow2.ErrNotFollowed, "--allow-backing"},
		{"data file not allowed", withData("raw"), Options{AllowBacking: true}, qcow2.ErrNotFollowed, "--allow-data-file"},
		{"raw", on("raw", "raw"), all, nil, ""},
		{"raw, by a link", on("link", "raw"), all, nil, ""},
		{"no format, not an image", on("raw", ""), all, nil, ""},
		{"no format, an image", on("plain", ""), all, nil, ""},
		{"no format, an image that names more", on("names-more", ""), all, qcow2.ErrNotFollowed, "qemu-img rebase"},
		{"another format", on("plain", "vmdk"), all, qcow2.ErrNotFollowed, `"vmdk"`},
		{"two formats", on(`json:{"driver":"raw","file":{"filename":"plain"}}`, "qcow2"), all, qcow2.ErrNotFollowed, "both"},
		{"qcow2 that isn't", on("raw", "qcow2"), all, format.ErrNotQcow2, "raw"},
		{"missing", on("nothing", "raw"), all, os.ErrNotExist, "nothing"},
		{"pipe", on("pipe", "raw"), all, storage.ErrFileType, "pipe"},
		{"folder", on(".", "raw"), all, storage.ErrFileType, "directory"},
		{"device", on("/dev/zero", "raw"), all, storage.ErrFileType, "character device"},
		{"protocol", on("nbd://host/x", "raw"), all, qcow2.ErrNotFollowed, "nbd"},
		{"itself", on("image", "qcow2"), all, qcow2.ErrNotFollowed, "leads back"},
		{"itself by another name", on("./sub/../image", "qcow2"), all, qcow2.ErrNotFollowed, "leads back"},
		{"loop below", on("loop1", "qcow2"), all, qcow2.ErrNotFollowed, "leads back"},
		{"its own data file", withData("image"), all, qcow2.ErrNotFollowed, "leads back"},
		{"data file and backing file in one", func(h *format.Header) { withData("raw")(h); on("raw", "raw")(h) }, all, qcow2.ErrNotFollowed, "leads back"},
		{"data file without a name", func(h *format.Header) { h.Incompatible |= format.IncompatDataFile }, all, qcow2.ErrNotFollowed, "no file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.image("image", 0, c.change)
			o, err := Open(f.path("image"), c.o)
			if err == nil {
				f.must(o.Close())
			}
			switch {
			case c.is == nil && err != nil:
				t.Fatal(err)
			case c.is != nil && (!errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n")):
				t.Fatalf("error %v, want %v in one line that says %s", err, c.is, c.says)
			}
			again, err := storage.Open(f.path("image"), storage.Options{})
			if err != nil {
				t.Fatalf("something is still open: %v", err)
			}
			again.Close()
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// TestStopped: a commit and a rebase that are told to stop at any moment at which they say how
// far they are leave images that are sound, without leaks, and an overlay that reads as
// before; then they can be done.
func TestStopped(t *testing.T) {
	stop := errors.New("stop")
	for name, do := range map[string]func(top string, o Options) error{
		"commit":            func(top string, o Options) error { return Commit(top, false, o) },
		"rebase":            func(top string, o Options) error { return Rebase(top, "other", "", o) },
		"rebase to nothing": func(top string, o Options) error { return Rebase(top, "", "", o) },
	} {
		for _, zoned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, zoned %v", name, zoned), func(t *testing.T) {
				f := newFolder(t)
				stopImages(f, zoned)
				want, calls := f.reads("top"), 0
				f.must(do(f.clone(t).path("top"), stopAt(func() error { calls++; return nil })))
				if calls < 3 {
					t.Fatalf("%d calls", calls)
				}
				for n := range calls {
					f, left := f.clone(t), n
					err := do(f.path("top"), stopAt(func() error {
						if left--; left < 0 {
							return stop
						}
						return nil
					}))
					if !errors.Is(err, stop) {
						t.Fatalf("stopped at %d of %d: %v", n, calls, err)
					}
					if names, err := os.ReadDir(f.dir); err != nil || len(names) != 3 {
						t.Errorf("left: %v, %v", names, err)
					}
					for _, image := range []string{"base", "top", "other"} {
						f.sound(image)
					}
					if !bytes.Equal(f.reads("top"), want) {
						t.Fatalf("stopped at %d of %d: the overlay reads as another disk", n, calls)
					}
					f.must(do(f.path("top"), stopAt(func() error { return nil })))
					if !bytes.Equal(f.reads("top"), want) {
						t.Fatalf("stopped at %d of %d, and done again: another disk", n, calls)
					}
					f.sound("base")
					f.sound("top")
				}
			})
		}
	}
}

// stopAt are options with that progress.
func stopAt(progress func() error) Options {
	o := anyName
	o.Progress = func(uint64, uint64) error { return progress() }
	return o
}

// stopImages makes an overlay of some MiB over a base, and another image.
func stopImages(f folder, zoned bool) {
	const mib = 1 << 20
	o := qcow2.CreateOptions{Size: 6 * mib, ClusterSize: 4096}
	if zoned {
		o.Zone = &qcow2.ZoneOptions{Size: mib}
	}
	f.image("base", "", o)
	f.image("other", "", o)
	f.use("base", 'b', zoned, 300<<10)
	f.image("top", "base", qcow2.CreateOptions{ClusterSize: 4096})
	f.use("top", 't', zoned, 200<<10)
}

// use writes n bytes of b to every other MiB, at the write pointer if there is one.
func (f folder) use(name string, b byte, zoned bool, n uint64) {
	const mib = 1 << 20
	i := f.open(name, false)
	defer f.closed(i)
	wps, err := pointers(i.Image)
	f.must(err)
	for z := uint64(b) % 2; z < 6; z += 2 {
		off := z*mib + 4096
		if zoned {
			off = wps[z]
		}
		f.must(i.Image.WriteAt(bytes.Repeat([]byte{b}, int(n)), off))
		if zoned {
			f.must(i.Image.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(z), WP: off + n}}))
		}
	}
}

// clone is a folder with the same images.
func (f folder) clone(t *testing.T) folder {
	to := folder{t, filepath.Join(t.TempDir(), "clone")}
	to.must(os.CopyFS(to.dir, os.DirFS(f.dir)))
	return to
}

// sound looks for errors and leaks.
func (f folder) sound(name string) {
	f.Helper()
	i := f.open(name, true)
	defer f.closed(i)
	r, err := check.Check(i.File, check.Options{})
	f.must(err)
	if !r.Clean() {
		var b bytes.Buffer
		r.WriteText(&b)
		f.Fatalf("%s: %s", name, b.String())
	}
}

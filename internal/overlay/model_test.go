// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"zqublkd/internal/imagefile"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// disk is what an image should read as: bytes, and write pointers if it has zones.
type disk struct {
	b   []byte
	wps []uint64
}

func (d disk) clone() disk { return disk{bytes.Clone(d.b), append([]uint64(nil), d.wps...)} }

const (
	modelZone  = 128 << 10
	modelZones = 4
	modelEnd   = modelZone - 16<<10 // capacity
)

// model are images and what they should read as. Zone 0 is conventional.
type model struct {
	folder
	zoned bool
	seed  byte
	disks map[string]disk
}

func newModel(f folder, zoned bool) *model {
	return &model{folder: f, zoned: zoned, disks: map[string]disk{}}
}

// make makes an image; over "" it stands alone.
func (m *model) make(t *rapid.T, name, base string) {
	bits := rapid.SampledFrom([]uint{9, 12, 14, 16}).Draw(t, "cluster bits of "+name)
	o := qcow2.CreateOptions{ClusterSize: 1 << bits, ExtendedL2: bits >= 14 && rapid.Bool().Draw(t, "subclusters")}
	d := disk{b: make([]byte, modelZones*modelZone)}
	if base == "" {
		o.Size, o.LogicalBlockSize = uint64(len(d.b)), 512
		if m.zoned {
			o.Zone = &qcow2.ZoneOptions{Size: modelZone, Capacity: modelEnd, Conventional: 1}
			for z := range modelZones {
				d.wps = append(d.wps, uint64(z)*modelZone)
			}
		}
	} else {
		d = m.disks[base].clone()
	}
	m.image(name, base, o)
	m.disks[name] = d
}

// use writes to an image, as the rules for zones have it.
func (m *model) use(t *rapid.T, name string) {
	d := m.disks[name]
	o := m.open(name, false)
	defer m.closed(o)
	for range rapid.IntRange(0, 8).Draw(t, "steps") {
		z := rapid.Uint32Range(0, modelZones-1).Draw(t, "zone")
		start, n := uint64(z)*modelZone, rapid.Uint64Range(1, 60).Draw(t, "sectors")*512
		off := start + rapid.Uint64Range(0, (modelZone-n)/512).Draw(t, "off")*512
		zero := rapid.IntRange(0, 3).Draw(t, "zero") == 0
		if m.zoned && z > 0 {
			if zero {
				n = modelZone
				d.wps[z], off = start, start
			} else {
				off, n = d.wps[z], min(n, start+modelEnd-d.wps[z])
				d.wps[z] += n
			}
		}
		m.seed++
		p := bytes.Repeat([]byte{m.seed | 1}, int(n))
		if zero {
			clear(p)
			m.must(o.Image.MakeZero(off, n))
		} else {
			m.must(o.Image.WriteAt(p, off))
		}
		copy(d.b[off:], p)
		if m.zoned {
			m.must(o.Image.WriteZoneSlots([]format.ZoneSlot{{Zone: z, WP: d.wps[z]}}))
		}
	}
	m.disks[name] = d
}

// chain makes three images, each over the one before, and writes to each.
func (m *model) chain(t *rapid.T) {
	under := ""
	for _, name := range []string{"bottom", "base", "top"} {
		m.make(t, name, under)
		m.use(t, name)
		under = name
	}
}

// is sees that an image reads as a disk, and has no error.
func (m *model) is(name string, want disk) {
	m.Helper()
	if got := m.reads(name); !bytes.Equal(got, want.b) {
		k := 0
		for got[k] == want.b[k] {
			k++
		}
		m.Fatalf("%s: byte %d is %#x, want %#x", name, k, got[k], want.b[k])
	}
	o := m.open(name, true)
	defer m.closed(o)
	wps, err := pointers(o.Image)
	m.must(err)
	if m.zoned && fmt.Sprint(wps) != fmt.Sprint(want.wps) {
		m.Fatalf("%s: write pointers %d, want %d", name, wps, want.wps)
	}
	rep, err := check.Check(o.File, check.Options{MaxFindings: 4})
	m.must(err)
	if rep.Corruptions > 0 || rep.Leaks > 0 {
		var b bytes.Buffer
		rep.WriteText(&b)
		m.Fatalf("%s: %s", name, b.String())
	}
}

func idle(string) error { return nil }

var anyName = Options{AllowBacking: true, AllowData: true, Idle: idle}

// TestModel: commit and rebase of overlays over chains, against a naive model.
func TestModel(t *testing.T) {
	n := 0
	dir := inMemory(t)
	rapid.Check(t, func(rt *rapid.T) {
		n++
		f := folder{t, filepath.Join(dir, fmt.Sprint(n))}
		f.must(os.Mkdir(f.dir, 0o700))
		defer os.RemoveAll(f.dir)
		m := newModel(f, rapid.Bool().Draw(rt, "zoned"))
		m.chain(rt)
		m.make(rt, "other", "")
		m.use(rt, "other")
		want := m.disks["top"].clone()
		bottom, other := m.disks["bottom"], m.disks["other"]
		switch rapid.IntRange(0, 3).Draw(rt, "what") {
		case 0:
			m.must(Commit(f.path("top"), rapid.Bool().Draw(rt, "keep"), anyName))
			m.is("base", want)
		case 1:
			m.must(Rebase(f.path("top"), "bottom", "", anyName))
			m.must(os.Remove(f.path("base")))
		case 2:
			m.must(Rebase(f.path("top"), "other", "qcow2", anyName))
			m.must(os.Remove(f.path("base")))
		case 3:
			m.must(Rebase(f.path("top"), "", "", anyName))
			m.must(errors.Join(os.Remove(f.path("base")), os.Remove(f.path("bottom"))))
			m.is("top", want)
			return
		}
		m.is("top", want)
		m.is("bottom", bottom)
		m.is("other", other)
		m.make(rt, "again", "top")
		m.use(rt, "again")
		m.is("again", m.disks["again"])
		m.is("top", want)
	})
}

// TestAsQEMU: of plain images commit and rebase leave what qemu-img leaves, and what it calls
// sound.
func TestAsQEMU(t *testing.T) {
	n := 0
	dir := inMemory(t)
	qemu := func(f folder, args ...string) {
		cmd := exec.Command("qemu-img", args...)
		cmd.Dir = f.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			f.Fatalf("qemu-img %v: %v\n%s", args, err, out)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		n++
		if n%4 != 1 { // each takes many programs
			return
		}
		ours, theirs := folder{t, filepath.Join(dir, fmt.Sprint(n))}, folder{t, filepath.Join(dir, fmt.Sprint(n, "q"))}
		ours.must(os.Mkdir(ours.dir, 0o700))
		defer os.RemoveAll(ours.dir)
		defer os.RemoveAll(theirs.dir)
		m := newModel(ours, false)
		m.chain(rt)
		ours.must(os.CopyFS(theirs.dir, os.DirFS(ours.dir)))
		top := ours.path("top")
		switch rapid.IntRange(0, 4).Draw(rt, "what") {
		case 0:
			qemu(theirs, "commit", "-q", "top")
			ours.must(Commit(top, false, anyName))
		case 1:
			qemu(theirs, "commit", "-q", "-d", "top")
			ours.must(Commit(top, true, anyName))
		case 2:
			qemu(theirs, "rebase", "-q", "-b", "bottom", "-F", "qcow2", "top")
			ours.must(Rebase(top, "bottom", "qcow2", anyName))
		case 3:
			qemu(theirs, "rebase", "-q", "-u", "-b", "bottom", "-F", "qcow2", "top")
			ours.must(Rename(top, "bottom", "qcow2"))
		case 4:
			qemu(theirs, "rebase", "-q", "-b", "", "top")
			ours.must(Rebase(top, "", "", anyName))
		}
		for _, name := range []string{"bottom", "base", "top"} {
			if !bytes.Equal(ours.reads(name), theirs.reads(name)) {
				t.Fatalf("%s is not what qemu-img leaves", name)
			}
			qemu(ours, "check", "-q", name)
			qemu(ours, "compare", "-q", name, filepath.Join(theirs.dir, name))
		}
		a, b := mustHeader(ours, "top"), mustHeader(theirs, "top")
		if a.BackingFile != b.BackingFile || a.BackingFile != "" && a.BackingFormat() != b.BackingFormat() {
			t.Fatalf("backing file %q (%s), qemu-img has %q (%s)", a.BackingFile, a.BackingFormat(), b.BackingFile, b.BackingFormat())
		}
	})
}

// inMemory is a folder for many small files that nobody needs on a disk.
func inMemory(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "overlay")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func mustHeader(f folder, name string) *format.Header {
	o, err := imagefile.Open(f.path(name), anyName.files(true))
	f.must(err)
	defer f.closed(o)
	return o.Image.Header()
}

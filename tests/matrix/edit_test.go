// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/edit"
	"zqublkd/qcow2/format"
)

const twin = "twin.qcow2"

// change is something that qemu-img does to the twin of an image and we to the image.
type change struct {
	name  string
	qemu  []string // arguments of qemu-img; nil: it has no such verb, the disk must stay
	ours  func(f storage.File) error
	where func(s spec) bool
}

func always(spec) bool         { return true }
func noSnapshots(s spec) bool  { return s.version == 3 } // QEMU resizes no other image with any
func hasSnapshots(s spec) bool { return s.snapshots > 0 }
func mayHaveMore(s spec) bool {
	return s.refcountBits > 2 && (s.compression == "" || s.refcountBits >= 16)
}
func bothSnapshots(s spec) bool { return s.snapshots > 1 }

func changes(s spec) []change {
	// The end stays on a cluster: behind one within it QEMU leaves what was there.
	bigger, smaller, much := s.size()+3<<20+512, 4<<20, s.size()+300<<20
	resize := func(n int) func(f storage.File) error {
		return func(f storage.File) error { return edit.Resize(f, edit.ResizeOptions{Size: uint64(n), Shrink: true}) }
	}
	resizing := func(n int) []string { return []string{"resize", "-q", "-f", "qcow2", "--shrink", twin, fmt.Sprint(n)} }
	noBase := func(s spec) bool { return noSnapshots(s) && s.depth == 0 }
	return []change{
		{"create", []string{"snapshot", "-c", "new", twin}, func(f storage.File) error { return edit.CreateSnapshot(f, "new", time.Now(), nil) }, mayHaveMore},
		{"apply new", []string{"snapshot", "-a", "new", twin}, func(f storage.File) error { return edit.ApplySnapshot(f, "new", nil) }, mayHaveMore},
		{"apply s0", []string{"snapshot", "-a", "s0", twin}, func(f storage.File) error { return edit.ApplySnapshot(f, "s0", nil) }, hasSnapshots},
		{"compact", nil, func(f storage.File) error { _, err := edit.Compact(f, nil); return err }, always},
		{"delete s0", []string{"snapshot", "-d", "s0", twin}, func(f storage.File) error { return edit.DeleteSnapshot(f, "s0", nil) }, hasSnapshots},
		{"shrink", resizing(smaller), resize(smaller), noSnapshots},
		{"grow", resizing(bigger), resize(bigger), noBase},
		{"grow much", resizing(much), resize(much), noBase},
		{"delete s1", []string{"snapshot", "-d", "s1", twin}, func(f storage.File) error { return edit.DeleteSnapshot(f, "s1", nil) }, bothSnapshots},
		{"delete new", []string{"snapshot", "-d", "new", twin}, func(f storage.File) error { return edit.DeleteSnapshot(f, "new", nil) }, mayHaveMore},
		{"compact again", nil, func(f storage.File) error { _, err := edit.Compact(f, nil); return err }, always},
	}
}

// TestEdit does to each image what qemu-img does to its twin: both are sound, and
// hold the same.
func TestEdit(t *testing.T) {
	for k, s := range chosen(*images/2, *seed+1) {
		if s.data != "" {
			continue
		}
		t.Run(fmt.Sprintf("%03d,%v", k, s), func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, dir: t.TempDir(), spec: s, rng: rand.New(rand.NewPCG(*seed, uint64(k)))}
			b.make()
			if err := os.WriteFile(b.path(twin), b.read(image), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, c := range changes(s) {
				if c.where(s) {
					b.edit(c)
				}
			}
		})
	}
}

func (b *bench) edit(c change) {
	b.Helper()
	if c.qemu != nil {
		b.run("qemu-img", c.qemu...)
	}
	var f *storage.OSFile
	patiently(b, func() (err error) {
		f, err = storage.Open(b.path(image), storage.Options{})
		return err
	}, func(err error) bool { return errors.Is(err, storage.ErrInUse) })
	err := c.ours(f)
	if err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	r, err := check.Check(f, check.Options{})
	if err != nil || !r.Clean() {
		b.Fatalf("%s: our check: %v, %+v", c.name, err, r)
	}
	f.Close()
	b.run("qemu-img", "check", "-q", "-f", "qcow2", image)
	b.Log(c.name) // what failed is what comes last
	b.run("qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", image, twin)
	b.sameSnapshots(c.name)
	b.sameMap(c.name)
}

// sameSnapshots: names, IDs and disks of the snapshots are those of the twin.
func (b *bench) sameSnapshots(after string) {
	b.Helper()
	type info struct {
		Specific struct {
			Data struct {
				Corrupt bool
			}
		} `json:"format-specific"`
		Snapshots []struct {
			ID   string
			Name string
		}
		Size uint64 `json:"virtual-size"`
	}
	var ours, theirs info
	for name, to := range map[string]*info{image: &ours, twin: &theirs} {
		if err := json.Unmarshal([]byte(b.run("qemu-img", "info", "-f", "qcow2", "--output=json", name)), to); err != nil {
			b.Fatal(err)
		}
	}
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		b.Fatalf("after %s: %+v, QEMU's %+v", after, ours, theirs)
	}
	for _, s := range ours.Snapshots {
		for from, to := range map[string]string{image: "a.raw", twin: "b.raw"} {
			b.run("qemu-img", "convert", "-f", "qcow2", "-l", "snapshot.id="+s.ID, "-O", "raw", from, to)
		}
		b.mustEqual("after "+after+": snapshot "+s.Name, b.read("a.raw"), b.read("b.raw"))
	}
}

// sameMap: what is stored, zeros or from below is the same, wherever it lies in the file.
func (b *bench) sameMap(after string) {
	b.Helper()
	byRun := func(name string) (list []string) {
		var runs []qemuRun
		if err := json.Unmarshal([]byte(b.run("qemu-img", "map", "-f", "qcow2", "--output=json", name)), &runs); err != nil {
			b.Fatal(err)
		}
		last := qemuRun{Depth: -1}
		for _, r := range runs {
			same := r.Depth == last.Depth && r.Present == last.Present && r.Data == last.Data
			if !same {
				list = append(list, fmt.Sprintf("%d: depth %d, present %v, data %v", r.Start, r.Depth, r.Present, r.Data))
			}
			last = r
		}
		return list
	}
	ours, theirs := byRun(image), byRun(twin)
	if fmt.Sprint(ours) != fmt.Sprint(theirs) {
		b.Fatalf("after %s: map\n%v, QEMU's\n%v", after, ours, theirs)
	}
}

// TestEditRefuses: what can't be done changes nothing and says why.
func TestEditRefuses(t *testing.T) {
	b := &bench{T: t, dir: t.TempDir(), spec: spec{version: 3, clusterBits: 16, refcountBits: 1}, rng: rand.New(rand.NewPCG(1, 1))}
	b.make()
	before := b.read(image)
	for name, c := range map[string]struct {
		do func(f storage.File) error
		is error
	}{
		"refcounts of one bit": {func(f storage.File) error { return edit.CreateSnapshot(f, "a", time.Now(), nil) }, format.ErrUnsupported},
		"no name":              {func(f storage.File) error { return edit.CreateSnapshot(f, "", time.Now(), nil) }, format.ErrOption},
		"no such snapshot":     {func(f storage.File) error { return edit.ApplySnapshot(f, "a", nil) }, qcow2.ErrNoSnapshot},
		"none to delete":       {func(f storage.File) error { return edit.DeleteSnapshot(f, "a", nil) }, qcow2.ErrNoSnapshot},
		"smaller":              {func(f storage.File) error { return edit.Resize(f, edit.ResizeOptions{Size: 1 << 20}) }, edit.ErrShrink},
		"odd":                  {func(f storage.File) error { return edit.Resize(f, edit.ResizeOptions{Size: 77}) }, format.ErrOption},
		"too large":            {func(f storage.File) error { return edit.Resize(f, edit.ResizeOptions{Size: 1 << 62}) }, format.ErrOption},
		"base shows":           {func(f storage.File) error { return edit.Resize(f, edit.ResizeOptions{Size: 16 << 20, Base: 15 << 20}) }, format.ErrOption},
	} {
		f, err := storage.Open(b.path(image), storage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(f); !errors.Is(err, c.is) {
			t.Errorf("%s: %v, want %v", name, err, c.is)
		}
		f.Close()
		b.run("qemu-img", "check", "-q", "-f", "qcow2", image)
		b.mustEqual(name, b.read(image)[:len(before)], before)
	}
}

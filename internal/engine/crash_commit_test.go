// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	chain "zqublkd/internal/overlay"
	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

const (
	commitZone, commitZones = 32 << 10, 10
	commitActive            = 3 // zones that may be
)

// commitRun is an overlay over one of two images, of which one file is recorded while it is
// committed or rebased.
type commitRun struct {
	t                *testing.T
	base, top, other *storagetest.Mem
	disk             []byte // what the overlay reads
	wps              []uint64
	before           []uint64 // of the base
	rec              *storagetest.Recorder
	rng              *rand.Rand
	fill             byte
}

func newCommitRun(t *testing.T, seed uint64) *commitRun {
	c := &commitRun{t: t, rng: rand.New(rand.NewPCG(seed, 3)), disk: make([]byte, commitZone*commitZones)}
	o := qcow2.CreateOptions{Size: commitZone * commitZones, ClusterSize: 2048, LogicalBlockSize: 512,
		Zone: &qcow2.ZoneOptions{Size: commitZone, Conventional: 1, MaxActive: commitActive}}
	c.base, c.other = created(t, o), created(t, o)
	for z := range commitZones {
		c.wps = append(c.wps, uint64(z)*commitZone)
	}
	start, zeros := append([]uint64(nil), c.wps...), bytes.Clone(c.disk)
	c.use(c.other, nil, 12)
	c.wps, c.disk = start, zeros
	c.use(c.base, nil, 12)
	c.before = append([]uint64(nil), c.wps...)
	img := c.open(c.base, nil, true)
	c.top = created(t, qcow2.CreateOptions{ClusterSize: 1024 << c.rng.IntN(3), Backing: &qcow2.BackingOptions{Name: "base", Format: "qcow2", Image: img}})
	c.use(c.top, c.base, 12)
	return c
}

// open opens an image over a base, nil if it has none.
func (c *commitRun) open(f storage.File, base storage.File, readOnly bool) *qcow2.Image {
	img, err := c.tryOpen(f, base, readOnly)
	if err != nil {
		c.t.Fatal(err)
	}
	return img
}

func (c *commitRun) tryOpen(f, base storage.File, readOnly bool) (*qcow2.Image, error) {
	o := qcow2.OpenOptions{ReadOnly: readOnly}
	if base != nil {
		below, err := qcow2.Open(base, qcow2.OpenOptions{ReadOnly: true})
		if err == nil {
			o.Base, err = qcow2.BaseImage(below)
		}
		if err != nil {
			return nil, err
		}
	}
	return qcow2.Open(f, o)
}

// use writes to an image: no more zones become active than may be.
func (c *commitRun) use(f, base storage.File, steps int) {
	img := c.open(f, base, false)
	for range steps {
		c.step(img)
	}
	if err := img.Close(); err != nil {
		c.t.Fatal(err)
	}
}

func (c *commitRun) step(img *qcow2.Image) {
	z := c.rng.Uint64N(commitZones)
	start, end := z*commitZone, (z+1)*commitZone
	off, n := start+c.rng.Uint64N(commitZone/512)*512, uint64(512)
	what := c.rng.IntN(8)
	switch {
	case z == 0:
	case what == 0:
		off, n = start, commitZone
		if err := img.MakeZero(off, n); err != nil {
			c.t.Fatal(err)
		}
		clear(c.disk[off : off+n])
		c.slot(img, z, start)
		return
	default:
		off, n = c.wps[z], min(end-c.wps[z], (1+c.rng.Uint64N(20))*512)
		if what == 1 || c.wps[z] == start && active(c.wps) >= commitActive {
			n = end - off // at once
		}
	}
	c.fill++
	p := bytes.Repeat([]byte{c.fill | 1}, int(n))
	err := error(nil)
	if what <= 2 {
		clear(p)
		err = img.MakeZero(off, n)
	} else {
		err = img.WriteAt(p, off)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	copy(c.disk[off:], p)
	if z > 0 {
		c.slot(img, z, off+n)
	}
}

func (c *commitRun) slot(img *qcow2.Image, z, wp uint64) {
	c.wps[z] = wp
	if err := img.WriteZoneSlots([]format.ZoneSlot{{Zone: uint32(z), WP: wp}}); err != nil {
		c.t.Fatal(err)
	}
}

// active counts the zones that are written in part.
func active(wps []uint64) (n int) {
	for _, wp := range wps[1:] {
		if wp%commitZone != 0 {
			n++
		}
	}
	return n
}

// record does what is recorded.
func (c *commitRun) record(f storage.File, base storage.File, do func(*qcow2.Image) error) {
	c.rec = storagetest.NewRecorder(f.(*storagetest.Mem))
	img := c.open(c.rec, base, false)
	if err := do(img); err != nil {
		c.t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		c.t.Fatal(err)
	}
}

// reads sees that an image reads as the overlay, as far as its zones are as far.
func (c *commitRun) reads(img *qcow2.Image, all bool) (wps []uint64, err error) {
	got := make([]byte, len(c.disk))
	if err := img.ReadAt(got, 0); err != nil {
		return nil, err
	}
	err = img.EachZone(func(zone uint32, e format.ZoneEntry) error {
		start, end := uint64(zone)*commitZone, uint64(zone+1)*commitZone
		wps = append(wps, e.WP)
		if zone > 0 {
			if end = e.WP; !all && (e.WP != c.wps[zone] || e.WP == c.before[zone]) {
				return nil // as it was
			}
			if e.WP != c.wps[zone] {
				return fmt.Errorf("zone %d: write pointer %d, want %d", zone, e.WP, c.wps[zone])
			}
		} else if !all {
			return nil
		}
		if !bytes.Equal(got[start:end], c.disk[start:end]) {
			return fmt.Errorf("zone %d, write pointer %d: it reads something else", zone, e.WP)
		}
		return nil
	})
	return wps, err
}

// judgeCommit looks at a base that a power cut has left, and commits again.
func (c *commitRun) judgeCommit(s crashState) error {
	mem := c.rec.Crash(s.n, s.survives)
	if _, err := soundAfterCrash(mem); err != nil {
		return err
	}
	top, err := c.tryOpen(c.top, mem, true)
	if err == nil {
		_, err = c.reads(top, true)
	}
	if err != nil {
		return fmt.Errorf("the overlay: %w", err)
	}
	base, err := c.tryOpen(mem, nil, true)
	if err != nil {
		return err
	}
	wps, err := c.reads(base, false)
	if err != nil {
		return fmt.Errorf("the base: %w", err)
	}
	if n := active(wps); n > commitActive {
		return fmt.Errorf("the base has %d zones active", n)
	}
	if base, err = c.tryOpen(mem, nil, false); err == nil {
		err = chain.Merge(top, base, nil)
	}
	if err == nil {
		_, err = c.reads(base, true)
	}
	if err == nil {
		err = base.Close()
	}
	if err != nil {
		return fmt.Errorf("commit again: %w", err)
	}
	rep, err := soundAfterCrash(mem)
	if err == nil && rep.Leaks > 0 {
		err = fmt.Errorf("%d clusters leaked for good", rep.Leaks)
	}
	return err
}

// judgeRebase looks at an overlay that a power cut has left.
func (c *commitRun) judgeRebase(s crashState) error {
	mem := c.rec.Crash(s.n, s.survives)
	if _, err := soundAfterCrash(mem); err != nil {
		return err
	}
	h, err := qcow2.ReadHeader(mem)
	if err != nil {
		return err
	}
	below := map[string]storage.File{"base": c.base, "other-image": c.other}[h.BackingFile]
	if below == nil {
		return fmt.Errorf("backing file %q", h.BackingFile)
	}
	for _, readOnly := range []bool{true, false} {
		top, err := c.tryOpen(mem, below, readOnly)
		if err == nil {
			_, err = c.reads(top, true)
		}
		if err == nil {
			err = top.Close()
		}
		if err != nil {
			return fmt.Errorf("over %s: %w", h.BackingFile, err)
		}
	}
	return nil
}

// TestCrashCommit looks at what power cuts leave of commits and rebases of zoned overlays.
func TestCrashCommit(t *testing.T) {
	looked := 0
	for k := range uint64(6) {
		if *crashOnly != "" && (*crashOnly == "rebase") != (k%3 == 2) {
			continue
		}
		seed := *crashSeed*100 + k
		c := newCommitRun(t, seed)
		judge := c.judgeCommit
		if k%3 == 2 {
			judge = c.judgeRebase
			c.record(c.top, c.base, func(img *qcow2.Image) error {
				other := c.open(c.other, nil, true)
				base, err := qcow2.BaseImage(other)
				if err == nil {
					err = chain.Absorb(img, base, nil)
				}
				if err == nil {
					err = img.SetBacking("other-image", "qcow2")
				}
				return err
			})
		} else {
			top := c.open(c.top, c.base, true)
			c.record(c.base, nil, func(img *qcow2.Image) error { return chain.Merge(top, img, nil) })
		}
		for range max(*crashStates/6, 1) {
			s := anyState(c.rec, c.rng)
			looked++
			if err := judge(s); err != nil {
				t.Fatalf("seed %d, %v: %v", seed, s, err)
			}
		}
	}
	t.Logf("%d states of 6 commits and rebases, seed %d", looked, *crashSeed)
}

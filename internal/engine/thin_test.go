// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/ublk"
)

var (
	thinRounds = flag.Int("thin.rounds", 4, "times the storage under the host's file system runs full")
	thinSeed   = flag.Uint64("thin.seed", 1, "seed of what is written meanwhile")
)

// thin is a Thin with one image.
type thin struct {
	t *testing.T
	*storagetest.Thin
	*rand.Rand
}

const (
	thinDisk  = 16 << 20 // bytes of the image's disk
	thinBlock = 4096
)

func newThin(t *testing.T) *thin {
	return &thin{t: t, Thin: storagetest.NewThin(t), Rand: rand.New(rand.NewPCG(*thinSeed, 6))}
}

func (h *thin) image() string { return filepath.Join(h.Dir, "d.qcow2") }

func (h *thin) create(o qcow2.CreateOptions) {
	h.t.Helper()
	os.Remove(h.image())
	f, err := storage.Create(h.image(), false)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := errors.Join(qcow2.Create(f, o), f.Datasync(), f.Close()); err != nil {
		h.t.Fatal(err)
	}
	h.Trim()
}

func (h *thin) add(direct bool) *sim {
	h.t.Helper()
	d, err := OpenDisk(h.image(), DiskOptions{Direct: direct, Log: silent()})
	if err != nil {
		h.t.Fatal(err)
	}
	return simDisk(h.t, d, 2, 16)
}

// check is `zqublkd check`, with leaks repaired. An error of writes that failed in
// the background may be told by it: once.
func (h *thin) check() {
	h.t.Helper()
	look := func() (*check.Report, error) {
		f, err := storage.Open(h.image(), storage.Options{})
		if err != nil {
			h.t.Fatal(err)
		}
		defer f.Close()
		return check.Check(f, check.Options{Repair: check.RepairLeaks})
	}
	r, err := look()
	if errors.Is(err, storage.ErrUnsettled) {
		r, err = look()
	}
	if err != nil || !r.Clean() || r.Leaks > 0 {
		h.t.Fatalf("check: %+v, %v", r, err)
	}
}

// The storage below the host's file system runs full, so that a sync fails. What
// follows is what docs/durability.md says: del, mend the storage, check, add. What
// was flushed before is there, what is flushed after that stays.
func TestC02_ThinStorage(t *testing.T) {
	h := newThin(t)
	failed, lost := 0, 0
	for round := range *thinRounds {
		cluster := []uint32{4096, 65536, 512, 16384}[round%4]
		h.create(qcow2.CreateOptions{Size: thinDisk, ClusterSize: uint64(cluster)})
		r := thinRound{thin: h, direct: round%3 == 2, flushed: map[uint64][]byte{}, mayBe: map[uint64][][]byte{}}
		failed += r.play()
		lost += r.lost
	}
	t.Logf("%d thin rounds, %d of them failed, seed %d, %d blocks lost", *thinRounds, failed, *thinSeed, lost)
	if failed == 0 {
		t.Error("nothing has ever failed: the storage was never full")
	}
}

// thinRound is one image: what its blocks must hold, by offset, and what has been
// written to them since and may be there or not.
type thinRound struct {
	*thin
	direct  bool
	flushed map[uint64][]byte
	mayBe   map[uint64][][]byte
	lost    int
}

// play returns 1 if a sync has failed.
func (r *thinRound) play() (failed int) {
	s := r.add(r.direct)
	r.write(s, 1, 200)
	r.flush(s)
	r.Fill(64<<10 + r.Int64N(1<<20))
	for range 100 {
		if !r.write(s, 2, 200) || s.flush() != 0 {
			break
		}
		r.keep()
	}
	if s.disk.Failure() != nil {
		failed = 1
	}
	s.shut() // del: it fails as the disk has
	r.Room()
	r.check()
	s = r.add(r.direct)
	r.inspect(s, "after del, check, add") // from here on what is read is on the disk
	r.write(s, 3, 500)
	r.flush(s)
	s.close()
	r.Reboot()
	r.check()
	s = r.add(false)
	r.inspect(s, "after a reboot")
	s.close()
	return failed
}

// write writes n blocks anywhere, and says whether none failed.
func (r *thinRound) write(s *sim, fill byte, n int) bool {
	data := bytes.Repeat([]byte{fill}, thinBlock)
	for range n {
		at := r.Uint64N(thinDisk/thinBlock) * thinBlock
		r.mayBe[at] = append(r.mayBe[at], data)
		if s.write(at, data) != 0 {
			return false
		}
	}
	return true
}

func (r *thinRound) flush(s *sim) {
	r.t.Helper()
	must(r.t, "flush", s.flush())
	r.keep()
}

// keep: what was written is flushed.
func (r *thinRound) keep() {
	for at, list := range r.mayBe {
		r.flushed[at] = list[len(list)-1]
	}
	clear(r.mayBe)
}

// inspect reads every block that was written. What it finds must be there from now
// on. A sector is what was flushed or was written there later.
func (r *thinRound) inspect(s *sim, when string) {
	r.t.Helper()
	for at := uint64(0); at < thinDisk; at += thinBlock {
		if r.flushed[at] == nil && r.mayBe[at] == nil {
			continue
		}
		if r.flushed[at] == nil {
			r.flushed[at] = make([]byte, thinBlock)
		}
		got, errno := s.read(at, thinBlock)
		must(r.t, "read", errno)
		for k := 0; k < thinBlock; k += ublk.SectorBytes {
			is := func(b []byte) bool { return bytes.Equal(got[k:k+ublk.SectorBytes], b[k:k+ublk.SectorBytes]) }
			if !is(r.flushed[at]) && !slices.ContainsFunc(r.mayBe[at], is) {
				r.lost++
				r.t.Errorf("%s: block at %d was flushed as %d and reads %d", when, at, r.flushed[at][k], got[k])
				break
			}
		}
		r.flushed[at] = got
	}
	clear(r.mayBe)
}

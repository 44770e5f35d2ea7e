package engine

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/check"
	"zqublkd/ublk"
)

var (
	thinRounds = flag.Int("thin.rounds", 4, "times the storage under the host's file system runs full")
	thinSeed   = flag.Uint64("thin.seed", 1, "seed of what is written meanwhile")
)

// thin is a file system on a loop device whose storage has less room than it
// says: writeback fails when that runs out.
type thin struct {
	t                *testing.T
	dir, mount, loop string
	*rand.Rand
}

const (
	thinDisk  = 16 << 20 // bytes of the image's disk
	thinBlock = 4096
)

// newThin makes one. It takes root, and a machine that has loop devices.
func newThin(t *testing.T) *thin {
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	h := &thin{t: t, dir: t.TempDir(), Rand: rand.New(rand.NewPCG(*thinSeed, 6))}
	h.mount = filepath.Join(h.dir, "mount")
	store := filepath.Join(h.dir, "store")
	h.run("mkdir %s %s && mount -t tmpfs -o size=64m tmpfs %s", h.mount, store, store)
	t.Cleanup(func() { h.run("umount -l %s", store) })
	h.run("truncate -s 128M %s/back && mkfs.ext4 -q -F -O ^has_journal -b 4096 -N 64 -E lazy_itable_init=0 %s/back", store, store)
	h.loop = h.run("losetup -f --show %s/back", store)
	t.Cleanup(func() { h.run("losetup -d %s", h.loop) })
	h.run("mount %s %s", h.loop, h.mount)
	t.Cleanup(func() { h.run("umount %s", h.mount) })
	return h
}

func (h *thin) run(format string, args ...any) string {
	h.t.Helper()
	cmd := fmt.Sprintf(format, args...)
	out, err := exec.Command("sh", "-c", cmd).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return strings.TrimSpace(string(out))
}

// fill leaves room for n bytes.
func (h *thin) fill(n int64) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Join(h.dir, "store"), &st); err != nil {
		h.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(h.dir, "store", "filler"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, zeroReader{}, int64(st.Bavail)*st.Bsize-n); err != nil {
		h.t.Fatal(err)
	}
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// room gives the storage room again.
func (h *thin) room() { os.Remove(filepath.Join(h.dir, "store", "filler")) }

// reboot drops what memory holds of the file system.
func (h *thin) reboot() { h.run("umount %s && mount %s %s", h.mount, h.loop, h.mount) }

func (h *thin) image() string { return filepath.Join(h.mount, "d.qcow2") }

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
	h.run("sync -f %s && fstrim %s", h.mount, h.mount)
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
	r.fill(64<<10 + r.Int64N(1<<20))
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
	r.room()
	r.check()
	s = r.add(r.direct)
	r.inspect(s, "after del, check, add") // from here on what is read is on the disk
	r.write(s, 3, 500)
	r.flush(s)
	s.close()
	r.reboot()
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

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// crashRun runs a workload on an image whose file is recorded, and files what
// it was promised. Its methods may be called by several goroutines.
type crashRun struct {
	t     *testing.T
	s     *sim
	rec   *storagetest.Recorder
	rng   *rand.Rand
	geo   zoned.Geometry
	block uint64 // logical block, bytes

	buf   []byte // of the judge
	seeds atomic.Uint64
	*promises
}

// newCrashRun serves the image in mem. What it holds is promised, unless it is
// nothing.
func newCrashRun(t *testing.T, mem *storagetest.Mem, seed uint64) *crashRun {
	return newCrashRunIn(t, storagetest.NewRecorder(mem), seed)
}

// newCrashRunIn is newCrashRun with a recorder.
func newCrashRunIn(t *testing.T, rec *storagetest.Recorder, seed uint64) *crashRun {
	s := newSimIn(t, rec, 2, 16)
	r := &crashRun{t: t, s: s, rec: rec, rng: rand.New(rand.NewPCG(seed, 1)), geo: s.disk.geo, block: uint64(s.disk.img.LogicalBlockSize())}
	r.promises = newPromises(rec, r.geo)
	r.survey()
	return r
}

// survey files what the disk holds already.
func (r *crashRun) survey() {
	for z := range r.geo.Zones() {
		end := r.geo.WritableEnd(z)
		if !r.geo.IsConventional(z) {
			end = r.wp(z)
		}
		for off := r.geo.Start(z); off < end; {
			n := min(end-off, simMaxIO)
			raw, errno := r.s.read(off, int(n))
			must(r.t, "read", errno)
			if !r.geo.IsConventional(z) || firstNonZero(raw) >= 0 {
				r.found(off, raw)
			}
			off += n
		}
	}
}

func created(t *testing.T, o qcow2.CreateOptions) *storagetest.Mem {
	mem := storagetest.NewMem(nil)
	if err := qcow2.Create(mem, o); err != nil {
		t.Fatal(err)
	}
	return mem
}

// wp is the write pointer of a zone, byte of the disk.
func (r *crashRun) wp(zone uint32) uint64 { return r.s.disk.zones.State(zone).WP }

func (r *crashRun) left(zone uint32) uint64 { return r.geo.WritableEnd(zone) - r.wp(zone) }

// put writes n bytes at off.
func (r *crashRun) put(off, n uint64, flags ublk.OpFlags) {
	d := r.begin(off, n, r.seeds.Add(1), flags&ublk.FlagFUA != 0)
	r.wrote(d)
	must(r.t, "write", r.s.do(ublk.OpWrite, flags, off, uint32(n), contents(n, d.seed)).errno())
	r.end(d)
}

// write writes n bytes at most at the write pointer of a zone.
func (r *crashRun) write(zone uint32, n uint64) {
	if n = min(n, r.left(zone)); n > 0 {
		r.put(r.wp(zone), n, 0)
	}
}

func (r *crashRun) writeFUA(zone uint32, n uint64) {
	if n = min(n, r.left(zone)); n > 0 {
		r.put(r.wp(zone), n, ublk.FlagFUA)
	}
}

// append appends n bytes to a zone, if there is room for them.
func (r *crashRun) append(zone uint32, n uint64) {
	d := r.begin(0, n, r.seeds.Add(1), false)
	at, errno := r.s.append(r.geo.Start(zone), contents(n, d.seed))
	if errno == unix.EIO && r.left(zone) < 16*n { // others have their share in flight
		return
	}
	must(r.t, "append", errno)
	d.off = at
	r.end(d)
	r.wrote(d)
}

// mapped says whether the next n bytes of a zone have space in the image.
func (r *crashRun) mapped(zone uint32, n uint64) bool {
	e := r.s.disk.img.Lookup(r.wp(zone), n)
	return r.left(zone) >= n && e.Kind == qcow2.Data && e.Len == n
}

// fail lets a write to space that is mapped fail after some bytes have reached the file.
func (r *crashRun) fail(zone uint32, n uint64, moved int) {
	r.rec.Inject(storagetest.Fault{Kind: storagetest.OpWrite, Nth: 1, Err: unix.EIO, Moved: moved})
	d := r.begin(0, 0, 0, false)
	defer r.end(d)
	off := r.wp(zone)
	if errno := r.s.write(off, contents(n, r.seeds.Add(1))); errno != unix.EIO {
		r.t.Fatalf("failing write: %v", errno)
	}
	r.rec.Heal()
}

// zero discards, or writes zeros to, n bytes of a plain disk.
func (r *crashRun) zero(op ublk.Op, off, n uint64) {
	d := r.begin(off, n, 0, false)
	d.hint = op == ublk.OpDiscard
	r.wrote(d)
	must(r.t, op.String(), r.s.do(op, 0, off, uint32(n), nil).errno())
	r.end(d)
}

func (r *crashRun) flush() {
	d := r.begin(0, 0, 0, false)
	must(r.t, "flush", r.s.flush())
	r.end(d)
	r.flushed(d)
}

func (r *crashRun) reset(zone uint32) {
	d := r.begin(0, 0, 0, false)
	must(r.t, "reset", r.s.zone(ublk.OpZoneReset, r.geo.Start(zone)))
	r.end(d)
	r.wasReset(zone, d)
}

func (r *crashRun) resetAll() {
	d := r.begin(0, 0, 0, false)
	must(r.t, "reset all", r.s.zone(ublk.OpZoneResetAll, 0))
	r.end(d)
	for z := r.geo.Conventional; z < r.geo.Zones(); z++ {
		r.wasReset(z, d)
	}
}

func (r *crashRun) finish(zone uint32) {
	if r.left(zone) == 0 {
		return
	}
	wp := r.wp(zone)
	d := r.begin(0, 0, 0, false)
	must(r.t, "finish", r.s.zone(ublk.OpZoneFinish, r.geo.Start(zone)))
	r.end(d)
	r.wasFinished(zone, wp, d)
}

// sequential is a random zone with a write pointer.
func (r *crashRun) sequential() uint32 {
	return r.geo.Conventional + r.rng.Uint32N(r.geo.Zones()-r.geo.Conventional)
}

// blocks is a random length of 1 to most logical blocks, in bytes.
func (r *crashRun) blocks(most int) uint64 { return uint64(1+r.rng.IntN(most)) * r.block }

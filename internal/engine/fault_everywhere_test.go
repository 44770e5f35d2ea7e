// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// ordeal is a served image whose file fails at some call, beside what the disk
// must hold: each request has either happened or, with an error, not at all.
type ordeal struct {
	t     *testing.T
	s     *sim
	rec   *storagetest.Recorder
	disk  []byte // what it must read as
	wp    []uint64
	torn  [][2]uint64 // ranges overwritten by a request that failed
	errno unix.Errno  // of the file
	hits  int         // requests that failed
}

const ordealZone = 128 << 10

func newOrdeal(t *testing.T, o qcow2.CreateOptions) *ordeal {
	o.Size, o.Zone = 6*ordealZone, &qcow2.ZoneOptions{Size: ordealZone, Capacity: 96 << 10, Conventional: 1}
	rec := storagetest.NewRecorder(created(t, o))
	r := &ordeal{t: t, s: newSimIn(t, rec, 2, 8), rec: rec, disk: make([]byte, o.Size)}
	for z := range uint64(6) {
		r.wp = append(r.wp, z*ordealZone)
	}
	return r
}

// judge counts a request's failure and says whether it has succeeded. A failed
// image answers everything with EIO.
func (r *ordeal) judge(what string, errno unix.Errno) bool {
	if errno == 0 {
		return true
	}
	r.hits++
	failed := r.s.disk.Failure() != nil
	if errno != r.errno && !(failed && errno == unix.EIO) {
		r.t.Errorf("%s: %v, but the file fails with %v (image failed: %v)", what, errno, r.errno, failed)
	}
	return false
}

// full: a reset that failed has left the zone full.
func (r *ordeal) full(zone int) bool { return r.wp[zone] == uint64(zone)*ordealZone+96<<10 }

func (r *ordeal) write(zone int, n uint64) {
	if r.full(zone) {
		return
	}
	data := pattern(uint64(zone)<<32|r.wp[zone], int(n))
	if r.judge("write", r.s.write(r.wp[zone], data)) {
		copy(r.disk[r.wp[zone]:], data)
		r.wp[zone] += n
	}
}

func (r *ordeal) append(zone int, n uint64) {
	if r.full(zone) {
		return
	}
	data := pattern(uint64(zone)<<32|r.wp[zone]+1, int(n))
	at, errno := r.s.append(uint64(zone)*ordealZone, data)
	if r.judge("append", errno) {
		if at != r.wp[zone] {
			r.t.Errorf("append went to %d, write pointer %d", at, r.wp[zone])
		}
		copy(r.disk[at:], data)
		r.wp[zone] += n
	}
}

func (r *ordeal) put(off, n uint64) {
	data := pattern(off+99, int(n))
	if r.judge("put", r.s.write(off, data)) {
		copy(r.disk[off:], data)
		return
	}
	r.torn = append(r.torn, [2]uint64{off, off + n})
}

func (r *ordeal) reset(zone int) {
	start := uint64(zone) * ordealZone
	if r.judge("reset", r.s.zone(ublk.OpZoneReset, start)) {
		clear(r.disk[start:][:ordealZone])
		r.wp[zone] = start
	}
}

func (r *ordeal) finish(zone int) {
	if r.judge("finish", r.s.zone(ublk.OpZoneFinish, uint64(zone)*ordealZone)) {
		r.wp[zone] = uint64(zone)*ordealZone + 96<<10
	}
}

func (r *ordeal) flush() { r.judge("flush", r.s.flush()) }

// story does something of everything.
func (r *ordeal) story() {
	r.write(1, 16<<10)
	r.flush()
	r.put(4096, 8192)
	r.write(2, 8192)
	r.write(1, 4096)
	r.flush()
	r.finish(1)
	r.append(3, 8192)
	r.put(0, 8192)
	r.reset(1)
	r.write(1, 12<<10)
	r.flush()
	r.append(3, 4096)
	r.finish(2)
	r.reset(3)
	r.flush()
}

// inspect compares the disk with what it must hold: write pointers and every
// byte that no failed overwrite has touched.
func (r *ordeal) inspect(s *sim, when string) {
	r.t.Helper()
	for z := 1; z < len(r.wp); z++ {
		if got := s.disk.zones.State(uint32(z)).WP; got != r.wp[z] {
			r.t.Errorf("%s: write pointer of zone %d is %d, want %d", when, z, got, r.wp[z])
		}
	}
	var got []byte
	for z := range r.wp {
		zone, errno := s.read(uint64(z)*ordealZone, ordealZone)
		if errno != 0 {
			r.t.Fatalf("%s: read of zone %d: %v", when, z, errno)
		}
		got = append(got, zone...)
	}
	for _, t := range r.torn {
		copy(got[t[0]:t[1]], r.disk[t[0]:t[1]])
	}
	if !bytes.Equal(got, r.disk) {
		at := 0
		for got[at] == r.disk[at] {
			at++
		}
		r.t.Errorf("%s: byte %d reads %#x, want %#x", when, at, got[at], r.disk[at])
	}
}

// TestFailureEverywhere lets each single call on the file fail in turn, for
// once or from then on, with EIO, ENOSPC, or after a part of it was done. Each
// request is answered with that errno or has happened; every zone tells its
// true write pointer. After the cause is gone the disk goes on as if nothing
// had been, or it says that it has failed and changes no more.
func TestFailureEverywhere(t *testing.T) {
	for name, o := range map[string]qcow2.CreateOptions{
		"clusters of 64K": {},
		"clusters of 4K":  {ClusterSize: 4096},
		"clusters of 512": {ClusterSize: 512},
	} {
		for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
			for _, stuck := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %v, stuck %v", name, errno, stuck), func(t *testing.T) {
					t.Parallel()
					failEachCall(t, o, errno, stuck)
				})
			}
		}
	}
}

func failEachCall(t *testing.T, o qcow2.CreateOptions, errno unix.Errno, stuck bool) {
	for _, kind := range []storagetest.OpKind{storagetest.OpRead, storagetest.OpWrite, storagetest.OpTruncate, storagetest.OpPunch, storagetest.OpReserve, storagetest.OpSync} {
		noticed, step := 0, 1
		if raceEnabled {
			step = 9
		}
		for nth := 1; ; nth += step {
			r := newOrdeal(t, o)
			r.errno = errno
			calls := r.rec.Calls(kind)
			r.rec.Inject(storagetest.Fault{Kind: kind, Nth: nth, Err: errno, Moved: 600, Stuck: stuck})
			r.story()
			happened := r.rec.Calls(kind)-calls >= nth
			noticed += r.hits
			r.end(fmt.Sprintf("%v %d", kind, nth))
			if !happened {
				break
			}
		}
		if noticed == 0 && (kind == storagetest.OpWrite || kind == storagetest.OpSync) {
			t.Errorf("no failing %v was ever told", kind)
		}
	}
}

// end takes the cause away and looks at what the disk is good for.
func (r *ordeal) end(when string) {
	r.rec.Heal()
	r.inspect(r.s, when)
	if err := r.s.disk.Failure(); err != nil {
		r.hits = 0
		r.story()
		if r.hits == 0 || !r.s.disk.frozen.Load() || len(r.s.disk.lastErrors.list()) == 0 {
			r.t.Errorf("%s: the image has failed (%v), but the disk goes on in silence", when, err)
		}
		r.inspect(r.s, when+", failed")
	} else {
		r.again(when)
	}
	failed := r.s.disk.Failure() != nil
	if err := r.s.shut(); (err != nil) != failed {
		r.t.Errorf("%s: close: %v, failed before: %v", when, err, failed)
	}
	r.reopen(when, failed)
}

// again: a disk that has not failed does everything once more, without error.
func (r *ordeal) again(when string) {
	r.hits = 0
	for z := 1; z < len(r.wp); z++ {
		r.reset(z)
	}
	r.put(0, 16<<10)
	r.torn = nil
	r.story()
	if r.hits > 0 {
		r.t.Errorf("%s: %d requests failed after the cause was gone", when, r.hits)
	}
	r.inspect(r.s, when+", again")
}

// reopen: the image is sound, and as it was if it has not failed.
func (r *ordeal) reopen(when string, failed bool) {
	mem := r.rec.Crash(r.rec.Len(), storagetest.All)
	if _, err := soundAfterCrash(mem); err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	s := newSimIn(r.t, mem, 1, 2)
	if !failed {
		r.inspect(s, when+", reopened")
	}
	s.close()
	if rep, err := soundAfterCrash(mem); err != nil || rep.Leaks > 0 {
		r.t.Errorf("%s: %d clusters leaked for good, %v", when, rep.Leaks, err)
	}
}

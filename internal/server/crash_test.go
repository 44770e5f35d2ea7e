package server

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

var (
	crashStates = flag.Int("crash.states", 60, "crash states to look at for each workload")
	crashSeed   = flag.Uint64("crash.seed", 1, "seed of workloads and crash states")
)

// zoneContent is the data of byte at of a zone in one of its lives: a zone
// lives from a reset to the next.
func zoneContent(zone uint32, life int, n uint64) []byte {
	return pattern(uint64(zone)<<32|uint64(life)+7, int(n))
}

// mark is a moment of a workload, in operations on the file.
type mark struct {
	begun, ended int
}

// life is one life of a zone.
type life struct {
	reset   mark     // that began it
	flushed []uint64 // write pointer by flush, bytes from the zone's start
	acked   uint64
	finish  *mark
	at      uint64 // write pointer when it was finished
}

// history is what a workload was promised.
type history struct {
	flushes []mark
	zones   [][]life
}

// crashRun runs a random workload of single requests on a fresh image.
type crashRun struct {
	t   *testing.T
	s   *sim
	rec *storage.Recorder
	rng *rand.Rand
	geo zoned.Geometry
	history
}

func newCrashRun(t *testing.T, o qcow2.CreateOptions, seed uint64) *crashRun {
	mem := storage.NewMem(nil)
	if err := qcow2.Create(mem, o); err != nil {
		t.Fatal(err)
	}
	rec := storage.NewRecorder(mem)
	r := &crashRun{t: t, s: newSimIn(t, rec, 1, 4), rec: rec, rng: rand.New(rand.NewPCG(seed, 1))}
	r.geo = r.s.disk.geo
	for range r.geo.Zones() {
		r.zones = append(r.zones, []life{{}})
	}
	return r
}

// during records when f ran.
func (r *crashRun) during(f func()) mark {
	m := mark{begun: r.rec.Len()}
	f()
	m.ended = r.rec.Len()
	return m
}

func (r *crashRun) step() {
	zone := r.geo.Conventional + r.rng.Uint32N(r.geo.Zones()-r.geo.Conventional)
	lives := r.zones[zone]
	now := &lives[len(lives)-1]
	start := r.geo.Start(zone)
	switch k := r.rng.IntN(20); {
	case k < 12:
		if now.finish != nil || now.acked == r.geo.Capacity(zone) {
			return
		}
		n := min(uint64(1+r.rng.IntN(24))*4096, r.geo.Capacity(zone)-now.acked)
		data := zoneContent(zone, len(lives)-1, r.geo.Capacity(zone))[now.acked : now.acked+n]
		must(r.t, "write", r.s.do(ublk.OpWrite, r.fua(), start+now.acked, uint32(n), data).errno())
		now.acked += n
	case k < 16:
		r.flush()
	case k < 18:
		m := r.during(func() { must(r.t, "reset", r.s.zone(ublk.OpZoneReset, start)) })
		if now.acked > 0 || now.finish != nil {
			r.zones[zone] = append(lives, life{reset: m, flushed: make([]uint64, len(r.flushes))})
		}
	case k == 18 && now.finish == nil && now.acked < r.geo.Capacity(zone):
		m := r.during(func() { must(r.t, "finish", r.s.zone(ublk.OpZoneFinish, start)) })
		now.finish, now.at = &m, now.acked
		now.acked = r.geo.Capacity(zone)
	}
}

func (r *crashRun) fua() ublk.OpFlags { return 0 }

func (r *crashRun) flush() {
	for z := range r.zones {
		l := &r.zones[z][len(r.zones[z])-1]
		l.flushed = append(l.flushed, l.acked)
	}
	r.flushes = append(r.flushes, r.during(func() { must(r.t, "flush", r.s.flush()) }))
}

// lastFlush is the last flush that had been answered at crash n, -1 for none.
func (r *crashRun) lastFlush(n int) int {
	last := -1
	for i, m := range r.flushes {
		if m.ended <= n {
			last = i
		}
	}
	return last
}

// TestCrash looks at what power failures leave behind of random workloads: any
// prefix of the writes, with those since the last barrier dropped, reordered
// or torn.
func TestCrash(t *testing.T) {
	for name, o := range crashImages() {
		t.Run(name, func(t *testing.T) {
			r := newCrashRun(t, o, *crashSeed)
			for range 120 {
				r.step()
			}
			end := r.rec.Len()
			rng := rand.New(rand.NewPCG(*crashSeed, 2))
			states := *crashStates
			if raceEnabled { // nothing in an examination runs side by side
				states = min(states, 5)
			}
			for range states {
				n, seed := rng.IntN(end+1), rng.Uint64()
				if err := r.examine(n, seed); err != nil {
					t.Fatalf("seed %d, crash after %d of %d operations, survivors %d: %v", *crashSeed, n, end, seed, err)
				}
			}
			r.s.close()
		})
	}
}

func crashImages() map[string]qcow2.CreateOptions {
	zones := func(o qcow2.CreateOptions) qcow2.CreateOptions {
		o.Size = 6 << 20
		o.Zone = &qcow2.ZoneOptions{Size: 1 << 20, Capacity: 512 << 10, Conventional: 1}
		return o
	}
	return map[string]qcow2.CreateOptions{
		"clusters of 64K":      zones(qcow2.CreateOptions{}),
		"clusters of 4K":       zones(qcow2.CreateOptions{ClusterSize: 4096}),
		"clusters of 512":      zones(qcow2.CreateOptions{ClusterSize: 512}),
		"refcounts of 1 bit":   zones(qcow2.CreateOptions{RefcountBits: 1}),
		"subclusters":          zones(qcow2.CreateOptions{ExtendedL2: true}),
		"clusters of one zone": zones(qcow2.CreateOptions{ClusterSize: 1 << 20}),
	}
}

// examine opens what a crash has left and holds it against the promises.
func (r *crashRun) examine(n int, seed uint64) error {
	mem := r.rec.Crash(n, storage.Shuffled(seed))
	if err := soundAfterCrash(mem); err != nil {
		return err
	}
	s := newSimIn(r.t, mem, 1, 2)
	for z := r.geo.Conventional; z < r.geo.Zones(); z++ {
		if err := r.examineZone(s, z, n); err != nil {
			return fmt.Errorf("zone %d: %w", z, err)
		}
	}
	s.close()
	return soundAfterCrash(mem)
}

// soundAfterCrash runs the check: a crash may leave leaks, never an error.
func soundAfterCrash(mem *storage.Mem) error {
	rep, err := qcow2.Check(mem, qcow2.CheckOptions{})
	if err != nil {
		return err
	}
	if rep.Corruptions > 0 {
		var b bytes.Buffer
		rep.WriteText(&b)
		return fmt.Errorf("check:\n%s", b.String())
	}
	return nil
}

// examineZone: the zone is in one of the lives it may be in, with everything
// that was flushed in it, nothing it was never given, and zeros above.
func (r *crashRun) examineZone(s *sim, z uint32, n int) error {
	start, size := r.geo.Start(z), r.geo.Length(z)
	wp := s.disk.zones.State(z).WP - start
	got, errno := s.read(start, int(size))
	if errno != 0 {
		return fmt.Errorf("read: %w", errno)
	}
	if i := firstNonZero(got[wp:]); i >= 0 {
		return fmt.Errorf("stale byte %#x at %d, above the write pointer %d", got[wp:][i], wp+uint64(i), wp)
	}
	flush := r.lastFlush(n)
	var errs []error
	for k := range r.zones[z] {
		if err := r.fits(z, k, n, flush, wp, got); err != nil {
			errs = append(errs, fmt.Errorf("life %d: %w", k, err))
			continue
		}
		return nil
	}
	return fmt.Errorf("write pointer %d fits no life it may be in: %v", wp, errs)
}

func (r *crashRun) fits(z uint32, k, n, flush int, wp uint64, got []byte) error {
	lives := r.zones[z]
	l := lives[k]
	switch {
	case k > 0 && l.reset.begun >= n:
		return fmt.Errorf("not begun")
	case k+1 < len(lives) && lives[k+1].reset.ended <= n:
		return fmt.Errorf("ended by a durable reset")
	case flush >= 0 && flush < len(l.flushed) && wp < l.flushed[flush]:
		return fmt.Errorf("%d bytes were flushed", l.flushed[flush])
	case l.finish != nil && l.finish.ended <= n && wp != r.geo.Capacity(z):
		return fmt.Errorf("was finished")
	case wp > l.acked:
		return fmt.Errorf("only %d bytes were written", l.acked)
	}
	written := wp
	if l.finish != nil && wp == r.geo.Capacity(z) {
		written = l.at
	}
	want := zoneContent(z, k, r.geo.Capacity(z))[:written]
	if !bytes.Equal(got[:written], want) {
		return fmt.Errorf("data differs")
	}
	if i := firstNonZero(got[written:wp]); i >= 0 {
		return fmt.Errorf("stale byte in the finished tail at %d", written+uint64(i))
	}
	return nil
}

func firstNonZero(b []byte) int {
	for i, v := range b {
		if v != 0 {
			return i
		}
	}
	return -1
}

// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

var geo = zoned.Geometry{Size: 64 << 20, ZoneSize: 8 << 20, ZoneCapacity: 6 << 20, Conventional: 1}

// rules are a device that has zones and no data.
type rules struct {
	d *zoned.Device
	l zoned.Limits
}

// newRules makes one with all zones empty.
func newRules(t testing.TB, l zoned.Limits, o zoned.Observer) *rules {
	t.Helper()
	d, err := zoned.New(geo, l, func(yield func(zoned.Entry) bool) {
		for i := range geo.Zones() {
			if !yield(zoned.Entry{WP: geo.Start(i)}) {
				return
			}
		}
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return &rules{d, l}
}

func (r *rules) zones() ([]zoned.Info, error)  { return r.d.Report(0, int(geo.Zones())), nil }
func (r *rules) limits() (zoned.Limits, error) { return r.l, nil }
func (r *rules) block() (uint64, error)        { return 4096, nil }
func (r *rules) sync() syscall.Errno           { return 0 }

func (r *rules) zone(off uint64) (zoned.Info, syscall.Errno) { return r.d.Report(off, 1)[0], 0 }

func (r *rules) read(off, n uint64) syscall.Errno {
	var op zoned.Op
	v, _, err := r.d.BeginRead(&op, off, n)
	if v == zoned.Granted {
		r.d.EndRead(&op)
	}
	return refused(err)
}

func (r *rules) write(off, n uint64, _ bool) syscall.Errno {
	var op zoned.Op
	v, err := r.d.BeginWrite(&op, off, n)
	if v == zoned.Granted {
		r.d.EndWrite(&op, nil)
	}
	return refused(err)
}

func (r *rules) manage(what zoned.Operation, off, n uint64) syscall.Errno {
	var op zoned.Op
	if n == geo.Size {
		if v, _ := r.d.BeginResetAll(&op); v == zoned.Granted {
			r.d.EndReset(&op, nil)
		}
		return 0
	}
	_, err := manage(r.d, &op, what, off)
	return refused(err)
}

// manage does what is granted at once.
func manage(d *zoned.Device, op *zoned.Op, what zoned.Operation, off uint64) (v zoned.Verdict, err error) {
	switch what {
	case zoned.OpOpen:
		return d.BeginOpen(op, off)
	case zoned.OpClose:
		return d.BeginClose(op, off)
	case zoned.OpFinish:
		if v, err = d.BeginFinish(op, off); v == zoned.Granted {
			d.EndFinish(op, nil)
		}
	default:
		if v, err = d.BeginReset(op, off); v == zoned.Granted {
			d.EndReset(op, nil)
		}
	}
	return v, err
}

func refused(err error) syscall.Errno {
	var broken *zoned.Error
	if errors.As(err, &broken) {
		return broken.Rule.Errno()
	}
	return 0
}

// busy is a device under a tracer, and what is done to it by several at once.
type busy struct {
	*rules
	tracer *trace.Tracer
}

func newBusy(t testing.TB, l zoned.Limits) *busy {
	tr := trace.New(geo.Zones(), 1<<16)
	b := &busy{newRules(t, l, tr), tr}
	b.d.CountTurns(&tr.Turns)
	return b
}

// step does a random request of one who uses zones that are his alone, so that
// nobody waits, while all compete for slots.
func (b *busy) step(r *rand.Rand, zone uint32, op *zoned.Op) {
	*op = zoned.Op{}
	begun := time.Now().UnixNano()
	rec := trace.Record{Zone: zone, Start: geo.Start(zone)}
	var err error
	switch k := r.IntN(20); {
	case k < 12:
		rec.Op, rec.Length = trace.Write, uint64(1+r.IntN(24))<<16
		rec.Start = b.d.Info(zone).WP
		if r.IntN(8) == 0 {
			rec.Start = geo.Start(zone)
		}
		err = b.begin(op, rec, b.d.BeginWrite)
	case k < 15:
		rec.Op, rec.Length = trace.Append, uint64(1+r.IntN(24))<<16
		err = b.begin(op, rec, b.d.BeginAppend)
		rec.Place = op.Start
	default:
		rec.Op = []trace.Op{trace.Open, trace.Close, trace.Finish, trace.Reset, trace.Reset}[k-15]
		_, err = manage(b.d, op, manages[rec.Op], rec.Start)
	}
	rec.Errno, rec.Turn = uint16(refused(err)), op.Turn
	b.tracer.Answered(&rec, begun)
}

func (b *busy) begin(op *zoned.Op, rec trace.Record, ask func(*zoned.Op, uint64, uint64) (zoned.Verdict, error)) error {
	v, err := ask(op, rec.Start, rec.Length)
	if v == zoned.Granted {
		b.d.EndWrite(op, nil)
	}
	return err
}

// traced runs f under the tracer and returns the bytes of the trace.
func (b *busy) traced(t testing.TB, f func()) []byte {
	t.Helper()
	h := trace.Header{Geometry: geo, Limits: b.l, LogicalBlock: 4096, Zoned: true}
	stop := make(chan struct{})
	var out bytes.Buffer
	visit := func(see func(uint32, zoned.State)) {
		b.d.Visit(see)
		f()
		close(stop)
	}
	if err := b.tracer.Stream(&out, h, visit, stop, func() {}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestReplayOfMany: what many did at once under limits is done again one by one, with
// the same outcomes and the same zones, and not with any other limit.
func TestReplayOfMany(t *testing.T) {
	limits := zoned.Limits{MaxOpen: 2, MaxActive: 4}
	found := 0
	for seed := range uint64(20) {
		b := newBusy(t, limits)
		raw := b.traced(t, func() {
			var all sync.WaitGroup
			for zone := uint32(1); zone < geo.Zones(); zone++ {
				all.Add(1)
				go func() {
					defer all.Done()
					r := rand.New(rand.NewPCG(seed, uint64(zone)))
					var op zoned.Op
					for range 200 {
						b.step(r, zone, &op)
					}
				}()
			}
			all.Wait()
		})
		r := replayed(t, raw, newRules(t, limits, nil), Options{})
		if r.Found != 0 || r.Requests != 200*7 || r.Skipped != 0 {
			t.Fatalf("seed %d: %+v", seed, r)
		}
		found += replayed(t, raw, newRules(t, zoned.Limits{MaxOpen: 1, MaxActive: 3}, nil), Options{}).Found
	}
	if found == 0 {
		t.Error("other limits make no difference")
	}
}

func replayed(t testing.TB, raw []byte, d target, o Options) *Result {
	t.Helper()
	tr, err := Load(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(tr, d, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// life is a trace that begins with zones in use.
func life(t testing.TB) []byte {
	b := newBusy(t, zoned.Limits{})
	b.write(geo.Start(2), 1<<20+4096, false)
	b.manage(zoned.OpClose, geo.Start(2), geo.ZoneSize)
	b.write(geo.Start(3), 4096, false)
	b.manage(zoned.OpOpen, geo.Start(4), geo.ZoneSize)
	b.manage(zoned.OpFinish, geo.Start(5), geo.ZoneSize)
	return b.traced(t, func() {
		for _, r := range []trace.Record{
			{Op: trace.Write, Zone: 2, Start: geo.Start(2) + 1<<20 + 4096, Length: 4096},
			{Op: trace.Write, Zone: 5, Start: geo.Start(5), Length: 4096},
			{Op: trace.Report},
			{Op: trace.Flush},
			{Op: trace.Reset, Zone: 3, Start: geo.Start(3)},
		} {
			var op zoned.Op
			var err error
			switch r.Op {
			case trace.Write:
				err = b.begin(&op, r, b.d.BeginWrite)
			case trace.Reset:
				_, err = manage(b.d, &op, zoned.OpReset, r.Start)
			}
			r.Turn, r.Errno = op.Turn, uint16(refused(err))
			b.tracer.Answered(&r, time.Now().UnixNano())
		}
	})
}

// TestReplay: what differs, and what can't be replayed at all, is told.
func TestReplay(t *testing.T) {
	raw := life(t)
	records := len(raw)/64 - 2
	find := func(what func(kind, op byte) bool) int {
		for k := range records {
			if at := 128 + 64*k; what(raw[at], raw[at+1]) {
				return at
			}
		}
		t.Fatal("no such record")
		return 0
	}
	request := func(op trace.Op) int {
		return find(func(kind, o byte) bool { return trace.Kind(kind) == trace.Request && trace.Op(o) == op })
	}
	with := func(at int, b ...byte) []byte {
		c := slices.Clone(raw)
		copy(c[at:], b)
		return c
	}
	for _, c := range []struct {
		name    string
		raw     []byte
		prepare bool
		found   int
		says    string // the error, or the first difference
	}{
		{"the same", raw, true, 0, ""},
		{"not prepared", raw, false, 0, "at the beginning zone 2: closed in the trace, empty on the device; --prepare"},
		{"another outcome", with(request(trace.Write)+2, byte(unix.EIO)), true, 1, "write zone 2, 4096 bytes at 17829888: EIO in the trace, success on the device"},
		{"a refusal that is none", with(find(func(kind, op byte) bool { return kind == 1 && op == 2 })+32, 0, 0x20), true, 1, "at the end zone 2: implicit-open, write pointer 17833984 in the trace, implicit-open, write pointer 17838080 on the device"},
		{"another operation", with(request(trace.Reset)+1, byte(trace.Finish)), true, 1, "at the end zone 3: empty in the trace, full on the device"},
		{"cut short", raw[:len(raw)-64], true, 0, ""},
		{"events are missing", with(len(raw)-128, byte(trace.Dropped)), true, 0, "the trace lacks events"},
		{"no zones", with(68, 0), true, 0, "a device without zones can't be replayed"},
		{"a zone is not told of", with(128, 99), true, 0, "how zone 0 stood"},
		{"more zones", with(24, 0, 0, 0, 8), true, 0, "how zone 8 stood"},
		{"other capacity", with(40, 0, 0, 0x50), true, 0, "zone 1 has 8388608 bytes of which 6291456"},
		{"smaller blocks", with(64, 0, 2), true, 0, "its logical blocks have 4096 bytes, those of the trace 512"},
		{"no trace", []byte("x"), true, 0, "not a trace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr, err := Load(bytes.NewReader(c.raw))
			var r *Result
			if err == nil {
				r, err = run(tr, newRules(t, zoned.Limits{}, nil), Options{Device: "disk", Prepare: c.prepare})
			}
			if err != nil {
				if c.says == "" || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("%v, want %q", err, c.says)
				}
				return
			}
			if r.Found != c.found || len(r.Differences) != c.found || c.found > 0 && r.Differences[0] != c.says {
				t.Errorf("%+v, want %q", r, c.says)
			}
			if r.Requests != 4 || r.Skipped != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestFits: a device with fewer zones is refused, one with other limits is not.
func TestFits(t *testing.T) {
	tr, err := Load(bytes.NewReader(life(t)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(tr, newRules(t, zoned.Limits{MaxActive: 7}, nil), Options{Prepare: true})
	if err != nil || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "0 open and 0 active zones in the trace, 0 and 7") {
		t.Errorf("%+v, %v", r, err)
	}
	tr.Header.Geometry.Size *= 2
	if _, err := run(tr, newRules(t, zoned.Limits{}, nil), Options{}); !errors.Is(err, ErrTrace) ||
		!strings.Contains(err.Error(), "it has 8 zones, the device of the trace had 16") {
		t.Error(err)
	}
}

// TestFill: what is written tells its place.
func TestFill(t *testing.T) {
	b := make([]byte, 20)
	fill(b, 0x1000)
	if want := "\x00\x10\x00\x00\x00\x00\x00\x00\x08\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"; string(b) != want {
		t.Errorf("%x", b)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(life(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := Load(bytes.NewReader(b))
		if err != nil || tr.Header.Geometry != geo {
			return
		}
		_, _ = run(tr, newRules(t, zoned.Limits{}, nil), Options{Prepare: true})
	})
}

// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zqublkd/zoned"
)

// operations is how much the random tests do. `make test-full` gives millions.
var operations = flag.Int("zoned.ops", defaultOperations, "random requests against the model; as many concurrent ones, and a tenth as many checked for linearizability")

var fixedSeed = flag.Uint64("zoned.seed", 0, "seed of the random tests; 0 takes another one each time")

// seed is what a random test starts from. It is logged, to start from again.
func seed(t *testing.T) uint64 {
	s := *fixedSeed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Logf("seed %d", s)
	return s
}

// budget is that number, less with -short.
func budget() int {
	if testing.Short() {
		return min(*operations, 30_000)
	}
	return *operations
}

// picker chooses one of n things.
type picker func(what string, n int) int

// chance is true once in n times.
func (p picker) chance(what string, n int) bool { return p(what, n) == n-1 }

// world is a device and the model beside it, and the requests on both.
type world struct {
	setup
	dev  *zoned.Device
	seen *observer
	m    *model
	reqs []*request
	log  []string

	requests int // begun for the first time
}

// request is one place for a request, used again and again.
type request struct {
	op     zoned.Op
	id     int
	kind   string
	off, n int
	state  requestState
}

type requestState uint8

const (
	idle  requestState = iota // answered
	begun                     // granted, its I/O is on its way
	ended                     // its I/O has ended, the answer waits for others
	waits                     // parked
	comes                     // came back, to be begun again
	numRequestStates
)

const requestsInWorld = 12

func pickSetup(pick picker) setup {
	s := setup{zone: 12, capacity: 12 - max(pick("capacity", 24)-12, 0)}
	zones := 2 + pick("zones", 4)
	s.size = zones*s.zone - pick("missing from the last zone", 2)*pick("bytes", 12)
	s.conventional = max(pick("conventional", zones+8)-7, 0)
	s.maxOpen, s.maxActive = pick("open limit", 4), pick("active limit", 4)
	s.maxAppend = max(pick("append limit", 12)-8, 0)
	for range zones {
		s.start = append(s.start, modelStart{
			written: max(pick("written", s.capacity+4)-3, 0),
			cond:    foundAs[max(pick("found", len(foundAs)+12)-12, 0)],
		})
	}
	return s
}

var foundAs = []string{"", "implicit-open", "explicit-open", "read-only", "offline"}

func newDevice(s setup, o zoned.Observer) (*zoned.Device, error) {
	geo := zoned.Geometry{Size: uint64(s.size), ZoneSize: uint64(s.zone), ZoneCapacity: uint64(s.capacity), Conventional: uint32(s.conventional)}
	entries := make([]zoned.Entry, len(s.start))
	for i, f := range s.start {
		entries[i].WP = geo.Start(uint32(i)) + min(uint64(f.written), geo.Capacity(uint32(i)))
		for _, c := range zoned.Conditions {
			if c.String() == f.cond {
				entries[i].Condition = c
			}
		}
	}
	lim := zoned.Limits{MaxOpen: uint32(s.maxOpen), MaxActive: uint32(s.maxActive), MaxAppend: uint64(s.maxAppend)}
	return zoned.New(geo, lim, slices.Values(entries), o)
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWorld(t fataler, s setup) *world {
	t.Helper()
	w := &world{setup: s, seen: &observer{}, m: newModel(s, requestsInWorld)}
	var err error
	if w.dev, err = newDevice(s, w.seen); err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	w.seen.watch(w.dev)
	for id := range requestsInWorld {
		w.reqs = append(w.reqs, &request{id: id})
	}
	return w
}

// with lists the requests in a state.
func (w *world) with(s requestState) []*request {
	var all []*request
	for _, r := range w.reqs {
		if r.state == s {
			all = append(all, r)
		}
	}
	return all
}

// kinds are the calls, each as often as it shall be made.
var kinds = strings.Fields(strings.Repeat("write append append read ", 6) +
	strings.Repeat("open close reset ", 2) + "finish reset-all")

// pickRequest fills r with a new request; most are such that they may succeed.
func (w *world) pickRequest(pick picker, r *request) {
	r.kind = kinds[pick("kind", len(kinds))]
	i := pick("zone", len(w.m.zones))
	r.off, r.n = i*w.zone, pick("bytes", 4)
	if r.kind == "write" {
		r.off = w.m.wp(i)
	}
	if r.kind == "read" {
		r.n = pick("read bytes", w.zone+2)
	}
	if pick.chance("anything", 8) {
		r.off, r.n = pick("offset", w.size+4), pick("any bytes", 2*w.zone)
	}
}

// step does one thing: begin a request, end one, or begin a parked one again.
func (w *world) step(pick picker) error {
	var can []*request
	for s := idle; s < numRequestStates; s++ {
		if some := w.with(s); len(some) > 0 && (s == idle || s == begun || s == comes) {
			can = append(can, some[pick("request", len(some))])
		}
	}
	if len(can) == 0 {
		return w.wrong("nobody can go on")
	}
	switch r := can[pick("what", len(can))]; r.state {
	case idle:
		w.pickRequest(pick, r)
		return w.begin(r, false)
	case comes:
		return w.begin(r, true)
	default:
		return w.end(r, pick.chance("fails", 5))
	}
}

func (w *world) begin(r *request, again bool) error {
	if !again {
		w.requests++
	}
	r.op.Owner = r
	v, more, err := begin(w.dev, &r.op, r.kind, []uint64{uint64(r.off), uint64(r.n)})
	r.state = map[zoned.Verdict]requestState{zoned.Granted: begun, zoned.Parked: waits}[v]
	got, want := verdict(v, more, err), w.m.begin(r.id, r.kind, r.off, r.n, again)
	if owns := w.m.reqs[r.id].owns; v == zoned.Granted && owns != nil {
		got += fmt.Sprint(" ", w.dev.Owned(&r.op))
		want += fmt.Sprint(" ", owns)
	}
	return w.compare(fmt.Sprintf("%d: %s %d %d", r.id, r.kind, r.off, r.n), got, want)
}

func (w *world) end(r *request, fails bool) error {
	var io error
	if fails {
		io = errIO
	}
	r.state = ended
	if r.kind == "read" {
		r.state = idle
	}
	var out said
	for o := end(w.dev, &r.op, r.kind, io); o != nil; o = o.Next() {
		back := o.Owner.(*request)
		out.say(back.id, outcome(o))
		back.state = idle
		if o.Outcome == zoned.Retry {
			back.state = comes
		}
	}
	return w.compare(fmt.Sprintf("%d: end of %s, fails: %t", r.id, r.kind, fails), out.String(), w.m.end(r.id, fails))
}

// compare holds answer and zones against the model's.
func (w *world) compare(call, got, want string) error {
	w.log = append(w.log, call+" -> "+got)
	if got != want {
		return w.wrong("the model says %s", want)
	}
	for i := range w.m.zones {
		z := &w.m.zones[i]
		s := w.dev.State(uint32(i))
		if wp := i*w.zone + z.count(there); s.Condition.String() != z.cond || int(s.WP) != wp {
			return w.wrong("zone %d is %v, the model says %s at %d", i, s, z.cond, wp)
		}
	}
	if w.dev.Open() != w.m.countOpen() || w.dev.Active() != w.m.countActive() {
		return w.wrong("%d open, %d active", w.dev.Open(), w.dev.Active())
	}
	if err := errors.Join(w.dev.Check(), w.seen.check(w.dev)); err != nil {
		return w.wrong("%w", err)
	}
	return nil
}

func (w *world) wrong(format string, args ...any) error {
	return fmt.Errorf(format+"\n%+v\n%s", append(args, w.setup, strings.Join(w.log, "\n"))...)
}

// settle ends all there is; everybody must have an answer then.
func (w *world) settle(pick picker) error {
	for range 1000 {
		some := append(w.with(begun), w.with(comes)...)
		if len(some) == 0 {
			break
		}
		var err error
		if r := some[pick("settle", len(some))]; r.state == comes {
			err = w.begin(r, true)
		} else {
			err = w.end(r, pick.chance("fails", 5))
		}
		if err != nil {
			return err
		}
	}
	for _, r := range w.reqs {
		if r.state != idle {
			return w.wrong("request %d has no answer", r.id)
		}
	}
	return nil
}

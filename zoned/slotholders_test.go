// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"zqublkd/zoned"
)

// holdersRig is a device of many zones of 8 bytes whose clock the test moves.
type holdersRig struct {
	*zoned.Device
	now time.Time
}

func newHoldersRig(t *testing.T, zones int, l zoned.Limits, conditions ...zoned.Condition) *holdersRig {
	t.Helper()
	g := zoned.Geometry{Size: uint64(zones) * 8, ZoneSize: 8, ZoneCapacity: 8}
	d, err := zoned.New(g, l, func(yield func(zoned.Entry) bool) {
		for i := range zones {
			e := zoned.Entry{WP: uint64(i) * 8}
			if i < len(conditions) {
				e.WP, e.Condition = e.WP+1, conditions[i]
			}
			if !yield(e) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &holdersRig{Device: d, now: time.Unix(1000, 0)}
	d.KeepHolders(func() time.Time { return r.now })
	return r
}

func (r *holdersRig) write(off uint64) error {
	op := zoned.Op{At: r.now.UnixNano()}
	v, err := r.BeginWrite(&op, off, 1)
	if v == zoned.Granted {
		r.EndWrite(&op, nil)
	}
	return err
}

func (r *holdersRig) open(off uint64) error {
	_, err := r.BeginOpen(&zoned.Op{At: r.now.UnixNano()}, off)
	return err
}

func TestRefusalNamesHolders(t *testing.T) {
	active := zoned.Limits{MaxActive: 2}
	for name, c := range map[string]struct {
		limits zoned.Limits
		before []zoned.Condition
		do     func(*holdersRig) error
		want   string // of the error's end
	}{
		"active: written and opened": {active, nil, func(r *holdersRig) error {
			errs := errors.Join(r.write(8), r.open(16))
			r.now = r.now.Add(90 * time.Second)
			return errors.Join(errs, r.write(9), later(r, 3200*time.Millisecond), r.write(24))
		}, "too many active zones (2); held by zone 2 (explicit-open for 1m33s, not written meanwhile), " +
			"zone 1 (implicit-open for 1m33s, written 3.2s before)"},
		"active: of a daemon before": {active, []zoned.Condition{zoned.Closed, zoned.ImplicitOpen}, func(r *holdersRig) error {
			return r.open(24)
		}, "held by zone 0 (closed, not written meanwhile), zone 1 (implicit-open, not written meanwhile)"},
		"open: the closed one holds none": {zoned.Limits{MaxOpen: 1}, []zoned.Condition{zoned.Closed}, func(r *holdersRig) error {
			return errors.Join(r.open(8), later(r, time.Second), r.write(1))
		}, "too many open zones (1); held by zone 1 (explicit-open for 1s, not written meanwhile)"},
		"a zone that came back is not named": {active, nil, func(r *holdersRig) error {
			var op zoned.Op
			errs := errors.Join(r.open(0), r.open(8))
			_, err := r.BeginClose(&op, 0)
			return errors.Join(errs, err, r.open(16), r.open(24))
		}, "held by zone 1 (explicit-open for 0s, not written meanwhile), zone 2 (explicit-open for 0s, not written meanwhile)"},
		"many": {zoned.Limits{MaxActive: 20}, nil, func(r *holdersRig) error {
			for i := range uint64(20) {
				if err := errors.Join(r.open(i*8), later(r, time.Second)); err != nil {
					return err
				}
			}
			return r.open(160)
		}, "zone 15 (explicit-open for 5s, not written meanwhile), 4 more"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.do(newHoldersRig(t, 30, c.limits, c.before...))
			if err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("%v\nwant ... %s", err, c.want)
			}
		})
	}
}

func later(r *holdersRig, t time.Duration) error {
	r.now = r.now.Add(t)
	return nil
}

// TestHoldersStayFew opens and fills zones one after the other: the list of those
// who hold slots does not grow with them.
func TestHoldersStayFew(t *testing.T) {
	r := newHoldersRig(t, 4000, zoned.Limits{})
	for i := range uint64(4000) {
		for b := range uint64(8) {
			if i%1000 == 0 && b == 7 {
				continue // this one keeps its slot
			}
			if err := r.write(i*8 + b); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got []uint32
	for _, h := range r.SlotHolders() {
		got = append(got, h.Zone)
	}
	if len(got) != 4 || got[1] != 1000 {
		t.Errorf("zones %v hold slots", got)
	}
	if n := r.HoldersListed(); n > 200 {
		t.Errorf("%d zones are listed", n)
	}
}

func TestWritesDoNotAllocateForHolders(t *testing.T) {
	r := newHoldersRig(t, 4, zoned.Limits{MaxOpen: 2, MaxActive: 3})
	var op zoned.Op
	if n := testing.AllocsPerRun(100, func() {
		for b := range uint64(7) {
			op.At = r.now.UnixNano()
			if v, err := r.BeginWrite(&op, b, 1); v != zoned.Granted {
				t.Fatal(v, err)
			}
			r.EndWrite(&op, nil)
		}
		if v, err := r.BeginReset(&op, 0); v != zoned.Granted {
			t.Fatal(v, err)
		}
		r.EndReset(&op, nil)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestHoldersWaitForNobody: whoever takes a slot does not wait for a zone that is busy
// to see whether it still has its own.
func TestHoldersWaitForNobody(t *testing.T) {
	r := newHoldersRig(t, 200, zoned.Limits{})
	fill := func(zone uint64) {
		for b := range uint64(8) {
			if err := r.write(zone*8 + b); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(0)
	release := r.HoldZone(0)
	for zone := range uint64(199) {
		fill(zone + 1)
	}
	release()
	if n := r.HoldersListed(); n > 100 {
		t.Errorf("%d zones are listed", n)
	}
	if got := r.SlotHolders(); len(got) != 0 {
		t.Errorf("%v hold slots", got)
	}
}

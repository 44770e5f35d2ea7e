// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"zqublkd/zoned"
)

// TestR29_EvictionIsCheap: zones that leave the open condition cost no later
// eviction anything, however many there were.
func TestR29_EvictionIsCheap(t *testing.T) {
	const zones = 1000
	d := manyZones(t, zones, zoned.Limits{MaxOpen: 4})
	for i := range uint64(zones - 10) {
		if err := do(t, d, "write", nil, i*scriptZone, scriptCapacity); err != nil {
			t.Fatal(err)
		}
	}
	for i := uint64(zones - 10); i < zones; i++ {
		if err := do(t, d, "write", nil, i*scriptZone, 1); err != nil {
			t.Fatal(err)
		}
		if err := d.Check(); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Listed(); n > 5 {
		t.Errorf("%d zones are listed for eviction while %d are implicitly open", n, d.ImplicitOpen())
	}
}

// TestWritesLeaveTheClockAlone: the clock of eviction is shared by all zones,
// so writes that change nothing for it must not touch it.
func TestWritesLeaveTheClockAlone(t *testing.T) {
	for name, lim := range map[string]zoned.Limits{"no open limit": {}, "open limit": {MaxOpen: 2}} {
		d := manyZones(t, 3, lim)
		do(t, d, "append", nil, 0, 1)
		first := d.Stamp(0)
		do(t, d, "append", nil, 0, 1)
		if d.Stamp(0) != first {
			t.Errorf("%s: the second write in a row moved the stamp from %d to %d", name, first, d.Stamp(0))
		}
		do(t, d, "append", nil, 8, 1)
		do(t, d, "append", nil, 0, 1)
		if limited := lim.MaxOpen != 0; (d.Stamp(0) > d.Stamp(1)) != limited || (first != 0) != limited {
			t.Errorf("%s: stamps %d, then %d and %d", name, first, d.Stamp(0), d.Stamp(1))
		}
		do(t, d, "open", nil, 0)
		do(t, d, "append", nil, 0, 1)
		if d.Stamp(0) != 0 {
			t.Errorf("%s: an explicitly open zone has stamp %d", name, d.Stamp(0))
		}
	}
}

// TestOpenZonesNeedNoSharedLock: once a zone is open, its reads and writes wait
// for nobody who opens others.
func TestOpenZonesNeedNoSharedLock(t *testing.T) {
	for _, zone := range []string{"oi:1", "oe:1"} {
		p := newPlayer(t, script{zones: zone + " em fu", limits: zoned.Limits{MaxOpen: 2}})
		release := p.dev.HoldLimits()
		done := make(chan struct{})
		go func() {
			defer close(done)
			do(t, p.dev, "append", nil, 0, 1)
			do(t, p.dev, "append", errIO, 0, 1)
			do(t, p.dev, "read", nil, 0, 8)
			do(t, p.dev, "append", nil, 16, 1)
			do(t, p.dev, "close", nil, 0)
			do(t, p.dev, "reset", nil, 16)
		}()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Errorf("%s: something takes the lock of the limits", zone)
		}
		release()
		<-done
	}
}

// TestOnlyCandidatesAreListed: without an open limit nothing is ever evicted,
// and only implicitly open zones are.
func TestOnlyCandidatesAreListed(t *testing.T) {
	for lim, want := range map[zoned.Limits]int{{}: 0, {MaxOpen: 3}: 1} {
		d := manyZones(t, 4, lim)
		do(t, d, "open", nil, 0)
		do(t, d, "append", nil, 8, 1)
		do(t, d, "finish", nil, 16)
		do(t, d, "append", nil, 0, 1)
		if d.Listed() != want {
			t.Errorf("%+v: %d zones are listed, want %d", lim, d.Listed(), want)
		}
	}
}

func manyZones(t testing.TB, n int, lim zoned.Limits) *zoned.Device {
	t.Helper()
	geo := zoned.Geometry{Size: uint64(n) * scriptZone, ZoneSize: scriptZone, ZoneCapacity: scriptCapacity}
	entries := make([]zoned.Entry, n)
	for i := range entries {
		entries[i].WP = geo.Start(uint32(i))
	}
	d, err := zoned.New(geo, lim, slices.Values(entries), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestR41_OpeningAClosedZone(t *testing.T) {
	for _, kind := range []string{"open", "write"} {
		runScripts(t, []script{{name: kind, zones: "cl:1 cl:1", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: fmt.Sprintf(`
			counts       -> open 0, active 2, implicit 0
			%s a %d 1    -> %s
			counts       -> open 1, active 2, implicit %d
			reset b 8    -> granted
			ok b         -> b ok
			counts       -> open 1, active 1, implicit %d`,
			kind, map[string]int{"open": 0, "write": 1}[kind], map[string]string{"open": "done", "write": "granted"}[kind],
			map[string]int{"write": 1}[kind], map[string]int{"write": 1}[kind])}})
	}
}

func TestR43_ListsOfOne(t *testing.T) {
	runScripts(t, []script{
		{name: "one zone to evict", zones: "em em", limits: oneOpen, text: `
			write a 0 1  -> granted
			write b 8 1  -> granted
			zone 0       -> closed 0
			counts       -> open 1, active 2, implicit 1`},
		{name: "none to evict", zones: "em em", limits: oneOpen, text: `
			open a 0     -> done
			write b 8 1  -> refused: too many open zones`},
		{name: "the middle, then the rest of three in flight", zones: "em", text: `
			append a 0 1 -> granted at 0
			append b 0 1 -> granted at 1
			append c 0 1 -> granted at 2
			fail b       -> b failed
			ok c         -> c aborted
			ok a         -> a ok
			zone 0       -> implicit-open 1`},
	})
}

func TestR68_OpenAndWriteObeyBothLimits(t *testing.T) {
	both := zoned.Limits{MaxOpen: 1, MaxActive: 1}
	runScripts(t, []script{
		{name: "active first: eviction would not help", zones: "oi:1 em", limits: both, text: `
			write a 8 1  -> refused: too many active zones
			append a 8 1 -> refused: too many active zones
			open a 8     -> refused: too many active zones
			zone 0       -> implicit-open 1`},
		{name: "active has room, open has not", zones: "oe:1 em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: `
			write a 8 1  -> refused: too many open zones
			append a 8 1 -> refused: too many open zones
			open a 8     -> refused: too many open zones`},
		{name: "an unwritten zone gives both back when evicted", zones: "oi:0 em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: `
			write a 8 1  -> granted
			zone 0       -> empty 0
			counts       -> open 1, active 1, implicit 1`},
		{name: "explicit open may evict", zones: "oi:1 em", limits: oneOpen, text: `
			open a 8     -> done
			zone 0       -> closed 1
			zone 1       -> explicit-open 8`},
		{name: "implicit to explicit takes nothing", zones: "oi:1 cl:1", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: `
			open a 0     -> done
			counts       -> open 1, active 2, implicit 0`},
	})
}

func TestR70_FillingAClosedZoneFreesItsSlot(t *testing.T) {
	runScripts(t, []script{
		{name: "a write fills it", zones: "cl:5 em", limits: oneActive, text: `
			write a 5 1  -> granted
			ok a         -> a ok
			counts       -> open 0, active 0, implicit 0
			write b 8 1  -> granted`},
		{name: "closed while the write that fills it is in flight", zones: "cl:5 em em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: `
			write a 5 1  -> granted
			write b 8 1  -> granted
			zone 0       -> closed 5
			counts       -> open 1, active 2, implicit 1
			ok a         -> a ok
			zone 0       -> full 6
			counts       -> open 1, active 1, implicit 1
			ok b         -> b ok
			write c 16 1 -> granted
			counts       -> open 1, active 2, implicit 1`},
	})
}

func TestEvictionOnlyWhenTheRequestWillSucceed(t *testing.T) {
	runScripts(t, []script{
		{name: "not for a request that breaks another rule", zones: "oi:1 em fu ro:1 of", limits: oneOpen, text: `
			write a 9 1  -> refused: not at the write pointer
			write a 8 7  -> refused: beyond the zone capacity
			append a 8 7 -> refused: beyond the zone capacity
			append a 9 1 -> refused: not at the start of a zone
			write a 22 1 -> refused: zone is full
			open a 16    -> refused: zone is full
			write a 25 1 -> refused: zone is read-only
			open a 32    -> refused: zone is offline
			zone 0       -> implicit-open 1`},
		{name: "not for one that has to wait", zones: "oi:1 em", limits: oneOpen, text: `
			finish a 8   -> granted
			write b 8 1  -> parked
			open c 8     -> parked
			zone 0       -> implicit-open 1
			fail a       -> a failed, b again, c again
			again b      -> granted
			zone 0       -> closed 1`},
		{name: "not beyond the active limit", zones: "oi:1 cl:1 em", limits: zoned.Limits{MaxOpen: 1, MaxActive: 2}, text: `
			write a 16 1 -> refused: too many active zones
			open a 16    -> refused: too many active zones
			zone 0       -> implicit-open 1
			write b 9 1  -> granted
			zone 0       -> closed 1`},
		{name: "with its writes in flight", zones: "em em", limits: oneOpen, text: `
			write a 0 1  -> granted
			write b 1 1  -> granted
			write c 8 1  -> granted
			zone 0       -> closed 0
			ok b         -> nothing
			ok a         -> a ok, b ok
			zone 0       -> closed 2
			counts       -> open 1, active 2, implicit 1`},
		{name: "while it is being reset", zones: "oi:0 em", limits: oneOpen, text: `
			reset a 0    -> granted
			write b 8 1  -> granted
			zone 0       -> empty 0
			ok a         -> a ok
			counts       -> open 1, active 1, implicit 1`},
		{name: "while it is being finished", zones: "oi:1 em", limits: oneOpen, text: `
			finish a 0   -> granted
			write b 8 1  -> granted
			zone 0       -> closed 1
			counts       -> open 1, active 2, implicit 1
			ok a         -> a ok
			zone 0       -> full 6
			counts       -> open 1, active 1, implicit 1`},
	})
}

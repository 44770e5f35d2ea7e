// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// TestC06_ConventionalFlights: writes of conventional zones leave nothing in the
// state file, so that after many deaths there is still room for what has to be
// remembered: a write that was acknowledged there.
func TestC06_ConventionalFlights(t *testing.T) {
	d := newDeath(t)
	block := pattern(2, 8192)
	for death := range uint64(5) {
		at := testZone + death*8192
		for tag := range uint64(3) { // in flight when the daemon is killed
			must(t, "conventional write", d.write(tag*4096, block[:4096]))
		}
		for tag := range uint16(4) {
			if f, ok := d.disk.state.InFlight(0, tag); ok && f.Zone == 0 {
				t.Errorf("a conventional zone's write is recorded: %+v", f)
			}
		}
		must(t, "write", d.write(at, block))
		d.inFlight(3, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: at, Length: 8192})
		for tag := range uint16(3) { // as daemons did that recorded them
			d.disk.state.Begin(0, tag, statefile.InFlight{Kind: zoned.OpWrite, Zone: 0, Start: uint64(tag) * 4096, Length: 4096})
		}
		d.die()
		d.revive()
		for tag := range uint64(3) { // the kernel sends everything again
			must(t, "conventional write again", d.write(tag*4096, block[:4096]))
		}
		must(t, "the write that was acknowledged, sent again", d.write(at, block))
		if n := d.disk.reissue.left.Load(); n != 0 {
			t.Errorf("after death %d, %d flights are left", death+1, n)
		}
	}
	d.sim.close()
}

// TestC06_FlightsOfOneZone: flights that are left in a zone nobody writes cost
// writes of other zones no lock.
func TestC06_FlightsOfOneZone(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 8192)))
	d.inFlight(1, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: testZone, Length: 8192, Committing: true})
	d.die()
	d.revive()
	flights := d.disk.reissue.zones[1]
	flights.mu.Lock()
	done := make(chan unix.Errno, 2)
	go func() {
		done <- d.write(0, pattern(2, 4096))
		done <- d.write(2*testZone, pattern(2, 4096))
	}()
	for range 2 {
		select {
		case errno := <-done:
			must(t, "write", errno)
		case <-time.After(time.Minute):
			t.Fatal("a write of another zone waits for the flights of zone 1")
		}
	}
	flights.mu.Unlock()
	d.sim.close()
}

// TestC06_ResetAllForgets: a reset of all zones forgets the flights of all.
func TestC06_ResetAllForgets(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(2*testZone, pattern(1, 8192)))
	d.inFlight(1, statefile.InFlight{Kind: zoned.OpWrite, Zone: 2, Start: 2 * testZone, Length: 8192})
	d.die()
	d.revive()
	must(t, "reset all", d.zone(ublk.OpZoneResetAll, 0))
	if n := d.disk.reissue.left.Load(); n != 0 {
		t.Errorf("%d flights are left", n)
	}
	d.sim.close()
}

// TestC09_ResetWaitsForRepeatedAppend: an append that is written again to its old
// place is known to the rules: a reset, a finish and a reset of all zones wait
// until it has landed.
func TestC09_ResetWaitsForRepeatedAppend(t *testing.T) {
	for _, op := range []ublk.Op{ublk.OpZoneReset, ublk.OpZoneFinish, ublk.OpZoneResetAll} {
		t.Run(op.String(), func(t *testing.T) { waitsForRepeatedAppend(t, op) })
	}
}

func waitsForRepeatedAppend(t *testing.T, op ublk.Op) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 8192)))
	d.inFlight(1, statefile.InFlight{Kind: zoned.OpAppend, Zone: 1, Start: testZone, Length: 8192})
	d.die()
	d.revive()
	landing, land := make(chan bool), make(chan bool)
	d.disturb = func(n int) (int, unix.Errno) {
		landing <- true
		<-land
		return n, 0
	}
	appended, changed := make(chan uint64, 1), make(chan unix.Errno, 1)
	go func() {
		at, errno := d.append(testZone, pattern(3, 8192))
		must(t, "the repeated append", errno)
		appended <- at
	}()
	<-landing
	at := uint64(testZone)
	if op == ublk.OpZoneResetAll {
		at = 0
	}
	go func() { changed <- d.zone(op, at) }()
	select {
	case <-changed:
		t.Fatalf("%s was answered while an append was landing", op)
	case <-time.After(100 * time.Millisecond):
	}
	land <- true
	if at := <-appended; at != testZone {
		t.Errorf("the append landed at %d, want %d", at, testZone)
	}
	must(t, op.String(), <-changed)
	d.disturb = nil
	if op != ublk.OpZoneFinish {
		d.mustRead(testZone, make([]byte, 8192))
	} else {
		d.mustRead(testZone, pattern(3, 8192))
	}
	d.sim.close()
	checkImage(t, d.image)
}

// TestC09_RepeatedAppendWaits: an append that is sent again while its zone lets
// nothing in gets its old place when it does again.
func TestC09_RepeatedAppendWaits(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 8192)))
	d.inFlight(0, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: testZone + 8192, Length: 8192})
	d.disk.state.Begin(0, 1, statefile.InFlight{Kind: zoned.OpAppend, Zone: 1, Start: testZone, Length: 4096})
	d.die()
	d.revive()
	landing, land := make(chan bool, 4), make(chan bool)
	d.disturb = func(n int) (int, unix.Errno) {
		landing <- true
		<-land
		return n, 0
	}
	written, closed, placed := make(chan unix.Errno, 1), make(chan unix.Errno, 1), make(chan uint64, 1)
	go func() { written <- d.write(testZone+8192, pattern(2, 8192)) }()
	<-landing
	go func() { closed <- d.zone(ublk.OpZoneClose, testZone) }() // waits for the write
	time.Sleep(50 * time.Millisecond)
	go func() {
		at, errno := d.append(testZone, pattern(3, 4096))
		must(t, "the repeated append", errno)
		placed <- at
	}()
	select {
	case <-landing:
		t.Fatal("the append did not wait for the close")
	case <-time.After(50 * time.Millisecond):
	}
	close(land)
	must(t, "write", <-written)
	must(t, "close", <-closed)
	if at := <-placed; at != testZone {
		t.Errorf("the append landed at %d, want %d", at, testZone)
	}
	if n := d.disk.reissue.left.Load(); n != 0 {
		t.Errorf("%d flights are left", n)
	}
	d.disturb = nil
	d.mustRead(testZone, pattern(3, 4096))
	d.mustRead(testZone+8192, pattern(2, 8192))
	d.sim.close()
}

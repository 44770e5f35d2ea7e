// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// death is a daemon that can die and be followed by another, on one image and
// state file.
type death struct {
	t     *testing.T
	image string
	state string
	shape statefile.Shape
	*sim
}

func newDeath(t *testing.T) *death {
	d := &death{t: t, image: newImage(t, small()), state: filepath.Join(t.TempDir(), "state")}
	d.create()
	return d
}

// create serves the image with a state of its own.
func (d *death) create() {
	d.t.Helper()
	disk, err := OpenDisk(d.image, DiskOptions{Log: silent()})
	d.serve(disk, err, func(s statefile.Shape) (*statefile.File, error) { return statefile.Create(d.state, s) })
}

func (d *death) serve(disk *Disk, err error, state func(statefile.Shape) (*statefile.File, error)) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
	d.shape = statefile.Shape{Dev: 1, Ino: 2, Geometry: disk.geo, Queues: 1, Tag: 4}
	s, err := state(d.shape)
	if err != nil {
		d.t.Fatal(err)
	}
	d.sim = simDiskWith(d.t, disk, 1, 4, s)
}

// die ends the daemon as SIGKILL does: nothing is flushed, no slot is written.
func (d *death) die() {
	d.t.Helper()
	d.disk.Abandon()
	d.sim.close()
}

func (d *death) revive() {
	d.t.Helper()
	disk, err := OpenTaken(d.image, d.state, DiskOptions{Log: silent()})
	d.serve(disk, err, func(s statefile.Shape) (*statefile.File, error) { return statefile.Take(d.state, s) })
}

// inFlight makes f all that the daemon has in flight.
func (d *death) inFlight(tag uint16, f statefile.InFlight) {
	for t := range uint16(4) {
		d.disk.state.Free(0, t)
	}
	d.disk.state.Begin(0, tag, f)
	if f.Committing {
		d.disk.state.Commit(0, tag)
	}
}

func TestStateOutlivesTheDaemon(t *testing.T) {
	d := newDeath(t)
	data := pattern(1, 64<<10)
	must(t, "write", d.write(testZone, data))
	must(t, "explicit open", d.zone(ublk.OpZoneOpen, 2*testZone))
	before := d.report(0, 8)
	d.die()
	d.revive()
	for i, z := range d.report(0, 8) {
		if z != before[i] {
			t.Errorf("zone %d: %+v, was %+v", i, z, before[i])
		}
	}
	d.mustRead(testZone, data)
	must(t, "next write", d.write(testZone+64<<10, data))
	d.sim.close()
	checkImage(t, d.image)
}

func TestRepeatedRequests(t *testing.T) {
	block := pattern(2, 8192)
	const z = testZone
	acked := func(d *death) { must(d.t, "write", d.write(z, block)) }
	for name, c := range map[string]struct {
		before func(*death)
		flight statefile.InFlight
		repeat func(*death)
	}{
		"write acknowledged in the state file only": {
			acked, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 8192},
			func(d *death) {
				must(d.t, "the repeated write", d.write(z, block))
				if errno := d.write(z, block); errno != unix.EIO {
					d.t.Errorf("a third time: %v, want EIO", errno)
				}
			},
		},
		"write that had not landed": {
			func(*death) {}, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 8192},
			func(d *death) { must(d.t, "the repeated write", d.write(z, block)) },
		},
		"write that grew while it waited": {
			acked, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 8192},
			func(d *death) {
				grown := append(append([]byte{}, block...), pattern(5, 4096)...)
				must(d.t, "the repeated write", d.write(z, grown))
				d.mustRead(z, grown)
				if wp := d.disk.zones.State(1).WP; wp != z+12288 {
					d.t.Errorf("write pointer %d", wp)
				}
				if errno := d.write(z, grown); errno != unix.EIO {
					d.t.Errorf("a third time: %v, want EIO", errno)
				}
			},
		},
		"write that grew, whose rest had not landed": {
			acked, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 12288},
			func(d *death) {
				grown := append(append([]byte{}, block...), pattern(5, 4096)...)
				must(d.t, "the repeated write", d.write(z, grown))
				d.mustRead(z, grown)
			},
		},
		"shorter write is no repetition": {
			acked, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 8192},
			func(d *death) {
				if errno := d.write(z, block[:4096]); errno != unix.EIO {
					d.t.Errorf("got %v, want EIO", errno)
				}
				if errno := d.write(z, block); errno != unix.EIO {
					d.t.Errorf("the flight was not forgotten: %v", errno)
				}
			},
		},
		"append whose address nobody knows gets it back": {
			acked, statefile.InFlight{Kind: zoned.OpAppend, Zone: 1, Start: z, Length: 8192},
			func(d *death) {
				other := pattern(3, 8192)
				at, errno := d.append(z, other)
				must(d.t, "the repeated append", errno)
				if at != z {
					d.t.Errorf("landed at %d, want %d", at, z)
				}
				d.mustRead(z, other)
				if wp := d.disk.zones.State(1).WP; wp != z+8192 {
					d.t.Errorf("write pointer %d", wp)
				}
			},
		},
		"append whose address may be known lands anew": {
			acked, statefile.InFlight{Kind: zoned.OpAppend, Zone: 1, Start: z, Length: 8192, Committing: true},
			func(d *death) {
				at, errno := d.append(z, pattern(3, 8192))
				must(d.t, "the repeated append", errno)
				if at != z+8192 {
					d.t.Errorf("landed at %d, want %d", at, z+8192)
				}
				d.mustRead(z, block)
			},
		},
		"write that filled its zone": {
			func(d *death) {
				must(d.t, "write", d.write(z, pattern(4, testCap-8192)))
				must(d.t, "write", d.write(z+testCap-8192, block))
			},
			statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z + testCap - 8192, Length: 8192},
			func(d *death) { must(d.t, "the repeated write", d.write(z+testCap-8192, block)) },
		},
		"reset forgets": {
			acked, statefile.InFlight{Kind: zoned.OpWrite, Zone: 1, Start: z, Length: 8192},
			func(d *death) {
				must(d.t, "reset", d.zone(ublk.OpZoneReset, z))
				must(d.t, "write", d.write(z, block))
				if errno := d.write(z, block); errno != unix.EIO {
					d.t.Errorf("the flight was not forgotten: %v", errno)
				}
			},
		},
	} {
		for _, deaths := range []int{1, 3} {
			t.Run(name, func(t *testing.T) {
				d := newDeath(t)
				c.before(d)
				d.inFlight(3, c.flight)
				for range deaths {
					d.die()
					d.revive()
				}
				c.repeat(d)
				d.sim.close()
				checkImage(t, d.image)
			})
		}
	}
}

func TestTakeStateRefuses(t *testing.T) {
	d := newDeath(t)
	d.die()
	for name, change := range map[string]func(*statefile.Shape){
		"another boot":  func(s *statefile.Shape) { s.BootID[0]++ },
		"another image": func(s *statefile.Shape) { s.Ino++ },
		"other queues":  func(s *statefile.Shape) { s.Queues++ },
		"other zones":   func(s *statefile.Shape) { s.Geometry.ZoneCapacity -= 4096 },
	} {
		shape := d.shape
		change(&shape)
		if _, err := statefile.Take(d.state, shape); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestFrozenOutlivesTheDaemon: a barrier that failed stays failed for the next
// daemon, whose own barriers might succeed without what was lost.
func TestFrozenOutlivesTheDaemon(t *testing.T) {
	d := newDeath(t)
	must(t, "write", d.write(testZone, pattern(1, 4096)))
	d.disk.freezeFor(errors.New("no barrier"))
	d.die()
	d.revive()
	if errno := d.write(testZone+4096, pattern(1, 4096)); errno == 0 {
		t.Error("the next daemon writes on")
	}
	if errno := d.flush(); errno == 0 {
		t.Error("the next daemon flushes")
	}
	d.sim.close()
}

// SPDX-License-Identifier: Apache-2.0

package ublk_test

import (
	"fmt"
	"syscall"

	"zqublkd/ublk"
	"zqublkd/ublk/ublktest"
	"zqublkd/uring"
)

// zoneSectors is the size of a zone of zonedDisk, 64 KiB.
const zoneSectors = 128

// zonedDisk has zones in memory that take appends, one request at a time.
type zonedDisk struct {
	mem   *uring.Mem
	zones []ublk.BlkZone
	at    uint64 // sector of the append that is being copied
}

func (d *zonedDisk) Request(q *ublk.Queue, tag uint16) {
	r := q.Desc(tag)
	z := &d.zones[r.StartSector()/zoneSectors]
	switch r.Op() {
	case ublk.OpZoneAppend: // starts where the zone does: the address is for us to find
		if z.WP+uint64(r.Sectors()) > z.Start+z.Capacity {
			q.Fail(tag, syscall.EIO)
			return
		}
		d.at = z.WP
		z.WP, z.Cond = z.WP+uint64(r.Sectors()), ublk.CondImplicitOpen
		q.CopyFromRequest(tag, 1, 0, d.mem.Bytes()[d.at*ublk.SectorBytes:][:r.Bytes()])
	case ublk.OpZoneReset:
		z.WP, z.Cond = z.Start, ublk.CondEmpty
		q.CompleteOK(tag)
	case ublk.OpReportZones:
		report := make([]byte, r.Bytes())
		n := ublk.ReportZones(report, d.zones[r.StartSector()/zoneSectors:])
		if _, e := q.CopyToRequestNow(tag, 0, report[:n]); e != 0 {
			q.Fail(tag, e)
			return
		}
		q.Complete(tag, int32(n))
	default:
		q.Fail(tag, syscall.EOPNOTSUPP)
	}
}

func (d *zonedDisk) Done(q *ublk.Queue, tag uint16, _ uint8, res int32) {
	q.CompleteAppend(tag, res, d.at)
}

func (d *zonedDisk) Woken(*ublk.Queue) {}

// A disk with two zones in memory. What an append wrote is where its answer says; a report tells
// the write pointers.
func ExampleQueue_CompleteAppend() {
	mem, err := uring.NewMem(2 * zoneSectors * ublk.SectorBytes)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer mem.Free()
	d := &zonedDisk{mem: mem}
	for start := uint64(0); start < 2*zoneSectors; start += zoneSectors {
		d.zones = append(d.zones, ublk.BlkZone{Start: start, Len: zoneSectors, Capacity: zoneSectors, WP: start,
			Type: ublk.ZoneSequential, Cond: ublk.CondEmpty})
	}
	s, err := ublktest.Serve(1, 1, ublk.FeatureZoned, ublk.QueueOptions{}, d)
	if err != nil {
		fmt.Println(err)
		return
	}
	zoneAppend := ublk.NewIODesc(ublk.OpZoneAppend, 0, zoneSectors, 8)
	for range 2 {
		fmt.Println("appended at sector", s.Do(0, zoneAppend, make([]byte, 4096)).Sector)
	}
	report := make([]byte, 2*ublk.BlkZoneBytes)
	s.Do(0, ublk.NewIODesc(ublk.OpReportZones, 0, 0, 2), report)
	for ; len(report) > 0; report = report[ublk.BlkZoneBytes:] {
		z, err := ublk.DecodeBlkZone(report)
		fmt.Println("zone at", z.Start, z.Cond, "write pointer", z.WP, err)
	}
	fmt.Println(s.End())
	// Output:
	// appended at sector 128
	// appended at sector 136
	// zone at 0 EMPTY write pointer 0 <nil>
	// zone at 128 IMP_OPEN write pointer 144 <nil>
	// <nil>
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"zqublkd/internal/trace"
	"zqublkd/qcow2"
	"zqublkd/ublk"
	"zqublkd/zoned"
)

// TestTrace: a trace has each request that a disk answers, as it was asked for and
// answered, and each change of a zone.
func TestTrace(t *testing.T) {
	path := newImage(t, qcow2.CreateOptions{Size: 32 << 20, Zone: &qcow2.ZoneOptions{Size: 8 << 20, Conventional: 1}})
	s := newSim(t, path, 2, 4)
	defer s.close()
	stream, err := s.disk.Trace("disk", 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.disk.Trace("disk", 1000); !errors.Is(err, ErrTraced) {
		t.Error(err)
	}
	const zone1, zone2 = 8 << 20, 16 << 20
	data := make([]byte, 8192)
	s.write(zone1, data)
	s.append(zone1, data)
	s.write(zone1, data)
	s.read(zone1, 8192)
	s.flush()
	s.zone(ublk.OpZoneOpen, zone2)
	s.zone(ublk.OpZoneFinish, zone1)
	s.zone(ublk.OpZoneResetAll, 0)
	stop := make(chan struct{})
	close(stop)
	var b bytes.Buffer
	if err := stream(&b, stop); err != nil {
		t.Fatal(err)
	}
	requests, zones := eventsOf(t, &b)
	want := []trace.Record{
		{Op: trace.Write, Zone: 1, Start: 8 << 20, Length: 8192},
		{Op: trace.Append, Zone: 1, Start: 8 << 20, Length: 8192, Place: 8<<20 + 8192},
		{Op: trace.Write, Errno: uint16(unix.EIO), Zone: 1, Start: 8 << 20, Length: 8192},
		{Op: trace.Read, Zone: 1, Start: 8 << 20, Length: 8192},
		{Op: trace.Flush},
		{Op: trace.Open, Zone: 2, Start: 16 << 20},
		{Op: trace.Finish, Zone: 1, Start: 8 << 20},
		{Op: trace.ResetAll},
	}
	if d := cmp.Diff(want, requests); d != "" {
		t.Error(d)
	}
	wantZones := []trace.Record{
		{Kind: trace.Zone, Zone: 1, Place: 8 << 20, Cond: zoned.ImplicitOpen},
		{Kind: trace.Implicit, Zone: 1, Place: 8 << 20, Cond: zoned.ImplicitOpen, Count: 1},
		{Kind: trace.Zone, Zone: 1, Place: 8<<20 + 8192, Cond: zoned.ImplicitOpen},
		{Kind: trace.Zone, Zone: 1, Place: 8<<20 + 16384, Cond: zoned.ImplicitOpen},
		{Kind: trace.Zone, Zone: 2, Place: 16 << 20, Cond: zoned.ExplicitOpen},
		{Kind: trace.Zone, Zone: 1, Place: 16 << 20, Cond: zoned.Full},
		{Kind: trace.Implicit, Zone: 1, Place: 16 << 20, Cond: zoned.Full},
		{Kind: trace.Zone, Zone: 1, Place: 8 << 20, Cond: zoned.Empty},
		{Kind: trace.Zone, Zone: 2, Place: 16 << 20, Cond: zoned.Empty},
	}
	if d := cmp.Diff(wantZones, zones); d != "" {
		t.Error(d)
	}
	if _, err := s.disk.Trace("disk", 1000); err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
}

// eventsOf reads a trace, and takes off what no two runs have alike. The turns must
// be those of one request after the other.
func eventsOf(t *testing.T, in io.Reader) (requests, zones []trace.Record) {
	t.Helper()
	r, err := trace.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for {
		e, err := r.Next()
		if err == io.EOF {
			return requests, zones
		}
		if err != nil {
			t.Fatal(err)
		}
		turn := e.Turn
		e.Time, e.Latency, e.Turn, e.Queue = 0, 0, 0, 0
		switch e.Kind {
		case trace.Request:
			if turn <= last {
				t.Errorf("%s has turn %d after %d", e.Describe(), turn, last)
			}
			last, e.Kind = turn, 0
			requests = append(requests, e)
		case trace.Zone, trace.Implicit:
			zones = append(zones, e)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"zqublkd/internal/trace"
)

// readTrace reads a trace to its end and returns the kinds of its records.
func readTrace(t *testing.T, s io.Reader) (kinds []trace.Kind) {
	t.Helper()
	r, err := trace.NewReader(s)
	for err == nil {
		var e trace.Record
		if e, err = r.Next(); err == nil {
			kinds = append(kinds, e.Kind)
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return kinds
}

// eventually fails if something does not come true within some seconds.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("still not so")
		}
	}
}

// TestTraceStream: a trace ends with its client's wish, with the device, and costs
// the next client nothing when its client just goes.
func TestTraceStream(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryOff)
	id := d.record.ID
	begin := func() *TraceStream {
		t.Helper()
		s, err := Trace(w.run, id, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := begin()
	if _, err := Trace(w.run, id, 0); err == nil || !strings.Contains(err.Error(), "traced already") {
		t.Error(err)
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	if k := readTrace(t, s); len(k) < 2 || k[0] != trace.Initial || k[len(k)-1] != trace.End {
		t.Error(k)
	}
	s.Close()
	gone := begin()
	gone.Close()
	eventually(t, func() bool {
		s, err := Trace(w.run, id, 0)
		if err == nil {
			s.Close()
		}
		return err == nil
	})
	if _, err := Trace(w.run, id, 1<<30); err == nil || !strings.Contains(err.Error(), "give 16 to") {
		t.Error(err)
	}
	var last *TraceStream
	eventually(t, func() (ok bool) {
		var err error
		last, err = Trace(w.run, id, 16)
		return err == nil
	})
	over := make(chan error, 1)
	go func() { over <- d.takeDown() }()
	if k := readTrace(t, last); k[len(k)-1] != trace.End {
		t.Error(k)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	if _, err := Trace(w.run, id, 0); err == nil {
		t.Error("a device that is gone can be traced")
	}
}

// TestTraceEndsWithHandOver: whole, not as if its daemon had died.
func TestTraceEndsWithHandOver(t *testing.T) {
	w := newWorld(t)
	d := w.up(RecoveryReissue)
	s, err := Trace(w.run, d.record.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "write", w.write(d, testZone, pattern(1, 8192)))
	over := make(chan error, 1)
	go func() { over <- d.handOver() }()
	if k := readTrace(t, s); k[len(k)-1] != trace.End || !slices.Contains(k, trace.Request) {
		t.Error(k)
	}
	if err := <-over; !errors.Is(err, ErrHandOver) {
		t.Error(err)
	}
	w.kill(d) // the process has ended
	w.down(w.up(RecoveryReissue))
}

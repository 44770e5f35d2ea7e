// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"sync"
	"testing"
)

// TestRing: those who put lose nothing but what is counted, and keep their order.
func TestRing(t *testing.T) {
	for _, c := range []struct {
		name            string
		room, put, want int
	}{
		{"empty", 4, 0, 0}, {"one", 4, 1, 1}, {"just full", 4, 4, 4}, {"one too many", 4, 5, 4}, {"rounded up", 5, 9, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRing(c.room)
			for round := range 3 {
				for k := range c.put {
					r.put(&Record{Kind: Request, Turn: uint64(k)})
				}
				for k := range c.want {
					var got Record
					if !r.take(&got) || got.Turn != uint64(k) {
						t.Fatalf("round %d, record %d: %+v", round, k, got)
					}
				}
				if r.take(new(Record)) {
					t.Fatal("there is one more")
				}
				if got, want := r.lost().Requests, uint64((round+1)*(c.put-c.want)); got != want {
					t.Fatalf("%d dropped, want %d", got, want)
				}
			}
		})
	}
}

// TestRingShared: many put at once while one takes.
func TestRingShared(t *testing.T) {
	const putters, each = 4, 20000
	r := newRing(64)
	var all sync.WaitGroup
	for p := range putters {
		all.Add(1)
		go func() {
			defer all.Done()
			for k := range each {
				r.put(&Record{Kind: Request + Kind(p)%3, Queue: uint16(p), Turn: uint64(k + 1), Start: uint64(p*each + k)})
			}
		}()
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var last [putters]uint64
	taken := uint64(0)
	take := func() {
		for got := (Record{}); r.take(&got); taken++ {
			if got.Turn <= last[got.Queue] || got.Start != uint64(got.Queue)*each+got.Turn-1 {
				t.Fatalf("after %d: %+v", last[got.Queue], got)
			}
			last[got.Queue] = got.Turn
		}
	}
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		take()
	}
	take()
	if taken+r.lost().all() != putters*each {
		t.Errorf("%d taken and %+v lost of %d", taken, r.lost(), putters*each)
	}
}

// TestAnsweredAllocatesNothing: also into a ring that is full.
func TestAnsweredAllocatesNothing(t *testing.T) {
	tr := New(1, 16)
	if n := testing.AllocsPerRun(100, func() { tr.Answered(&Record{Op: Write}, tr.begun) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

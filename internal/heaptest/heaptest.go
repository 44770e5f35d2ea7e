// SPDX-License-Identifier: Apache-2.0

// Package heaptest measures in tests what memory something takes.
package heaptest

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// What an image may take beyond what is stored in its file, whatever it claims:
// memory, and time for all that is done with it. What an image makes without end
// takes far longer on any machine; what a busy machine adds is no fault.
const (
	Most     = 64 << 20 // bytes of heap
	MostTime = time.Minute
)

// Bounded calls f, and fails the test if that takes more time or memory than a
// file may that has so many bytes stored.
func Bounded(t testing.TB, stored int64, f func()) {
	t.Helper()
	began := time.Now()
	peak := Peak(f)
	if took := time.Since(began); took > MostTime {
		t.Errorf("took %v", took)
	}
	if peak > Most+4*stored {
		t.Errorf("the heap grew by %d MiB, for a file of %d KiB", peak>>20, stored>>10)
	}
}

// Peak calls f and returns how far the heap grew meanwhile, in bytes. The
// collector runs often, so that garbage hardly counts.
func Peak(f func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	runtime.GC()
	before, peak := heap(), int64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				peak = max(peak, heap()-before)
			}
		}
	}()
	f()
	grown := heap() - before
	close(stop)
	<-stopped
	return max(peak, grown)
}

func heap() int64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

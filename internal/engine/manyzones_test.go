// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
)

// manyZones is a new image of n zones.
func manyZones(t testing.TB, n uint64) (path string) {
	return newImage(t, qcow2.CreateOptions{Size: n * 4 << 20, ClusterSize: 1 << 20, Zone: &qcow2.ZoneOptions{Size: 4 << 20}})
}

func openToServe(t testing.TB, path string) *Disk {
	t.Helper()
	d, err := OpenDisk(path, DiskOptions{Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Start(1, nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// heap is what is reachable, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestHeapPerZone: a zone takes at most 64 bytes, all that is known of it and
// the image taken together.
func TestHeapPerZone(t *testing.T) {
	const zones, most = 1 << 20, 64
	path := manyZones(t, zones)
	before := heap()
	d := openToServe(t, path)
	per := float64(heap()-before) / zones
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%.2f bytes a zone", per)
	if per > most {
		t.Errorf("a zone takes %.2f bytes of heap, more than %d", per, most)
	}
	if got := d.zones.Geometry().Zones(); got != zones {
		t.Errorf("%d zones", got)
	}
}

// processor is the time that this process has kept processors busy.
func processor(t testing.TB) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkOpen opens an image of 2^20 zones and makes it ready to serve.
func BenchmarkOpen(b *testing.B) {
	path := manyZones(b, 1<<20)
	var busy time.Duration
	for b.Loop() {
		before := processor(b)
		d := openToServe(b, path)
		busy += processor(b) - before
		b.StopTimer()
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(busy.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// slowPunch is a file whose holes take as long as a test wants.
type slowPunch struct {
	*storagetest.Mem
	armed          atomic.Bool
	begun, proceed chan bool
}

func (f *slowPunch) PunchHole(off, n int64) error {
	if f.armed.Load() {
		f.begun <- true
		<-f.proceed
	}
	return f.Mem.PunchHole(off, n)
}

// TestResetPunchesBesideFlushes: while a reset gives host space back, flushes go
// on, make what was written elsewhere durable, and write nothing about the zone
// that is reset, though it has unflushed writes.
func TestResetPunchesBesideFlushes(t *testing.T) {
	f := &slowPunch{Mem: storagetest.NewMem(nil), begun: make(chan bool, 8), proceed: make(chan bool)}
	if err := qcow2.Create(f, small()); err != nil {
		t.Fatal(err)
	}
	s := newSimIn(t, f, 2, 8)
	data := pattern(1, 16<<10)
	must(t, "write", s.write(testZone, data))
	must(t, "flush", s.flush())
	must(t, "write", s.write(testZone+16<<10, data)) // its slot is stale
	must(t, "write", s.write(2*testZone, data))
	f.armed.Store(true)
	reset := make(chan unix.Errno, 1)
	go func() { reset <- s.zone(ublk.OpZoneReset, testZone) }()
	<-f.begun
	flushed := make(chan unix.Errno, 1)
	go func() { flushed <- s.flush() }()
	select {
	case errno := <-flushed:
		must(t, "flush", errno)
	case <-time.After(time.Minute):
		t.Fatal("a flush waits for a hole to be punched")
	}
	after := newSimIn(t, storagetest.NewMem(f.Mem.Bytes()), 1, 4) // a crash now
	if wp := after.disk.zones.State(1).WP; wp != testZone {
		t.Errorf("write pointer %d of a zone whose slot was emptied", wp-testZone)
	}
	after.mustRead(2*testZone, data)
	after.close()
	f.armed.Store(false)
	close(f.proceed)
	must(t, "reset", <-reset)
	must(t, "write", s.write(testZone, data[:4096]))
	must(t, "flush", s.flush())
	after = newSimIn(t, storagetest.NewMem(f.Mem.Bytes()), 1, 4)
	if wp := after.disk.zones.State(1).WP; wp != testZone+4096 {
		t.Errorf("write pointer %d after the reset and a flushed write", wp-testZone)
	}
	after.close()
	s.close()
}

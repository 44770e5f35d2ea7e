// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// panicFile is a file whose writes of 8 bytes, which are zone-table slots,
// panic while it is armed.
type panicFile struct {
	*storagetest.Mem
	armed atomic.Bool
}

func (f *panicFile) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 8 && f.armed.Load() {
		panic("planted")
	}
	return f.Mem.WriteAt(p, off)
}

// TestC12_PanicInFlush: a panic while a flush or reset writes slots fails the
// requests that share it. The disk goes on, and the next flush writes what that
// one has not.
func TestC12_PanicInFlush(t *testing.T) {
	f := &panicFile{Mem: storagetest.NewMem(nil)}
	if err := qcow2.Create(f, small()); err != nil {
		t.Fatal(err)
	}
	s := newSimIn(t, f, 2, 8)
	data := pattern(1, 16<<10)
	must(t, "write", s.write(testZone, data))
	must(t, "write", s.write(2*testZone, data))
	must(t, "flush", s.flush())
	must(t, "write", s.write(testZone+16<<10, data))
	f.armed.Store(true)
	answers := make(chan unix.Errno)
	for range 4 {
		go func() { answers <- s.flush() }()
	}
	for range 4 {
		if errno := <-answers; errno != unix.EIO {
			t.Errorf("flush that panics: %v, want EIO", errno)
		}
	}
	if errno := s.zone(ublk.OpZoneReset, 2*testZone); errno != unix.EIO {
		t.Errorf("reset that panics: %v, want EIO", errno)
	}
	f.armed.Store(false)
	must(t, "flush after the panic", s.flush())
	for _, q := range s.queues {
		close(q.quit)
	}
	s.ended.Wait()
	next := newSimIn(t, storagetest.NewMem(f.Mem.Bytes()), 1, 8) // what a daemon after a crash finds
	next.mustRead(testZone, append(data, data...))
	next.mustRead(2*testZone, data)
	next.close()
}

package qcow2

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A flush that is under way does not count for who comes later; the next one
// counts for all who came meanwhile.
func TestFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flusher
		f.init()
		var flushes, returned atomic.Int32
		proceed := make(chan bool)
		flush := func() {
			flushes.Add(1)
			<-proceed
		}
		join := func() {
			f.join(flush)
			returned.Add(1)
		}
		expect := func(when string, wantFlushes, wantReturned int32) {
			t.Helper()
			synctest.Wait()
			if f, r := flushes.Load(), returned.Load(); f != wantFlushes || r != wantReturned {
				t.Errorf("%s: %d flushes begun, %d callers served; want %d, %d", when, f, r, wantFlushes, wantReturned)
			}
		}
		go join()
		expect("first caller", 1, 0)
		for range 5 {
			go join()
			synctest.Wait()
		}
		expect("five more", 1, 0)
		proceed <- true
		expect("first flush ended", 2, 1)
		proceed <- true
		expect("second flush ended", 2, 6)
	})
}

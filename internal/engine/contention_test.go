// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

const (
	lockZone  = 64 << 20            // bytes
	lockFirst = lockZone / 512      // first sector of the first sequential zone
	lockEach  = lockZone / 4096 / 2 // writes, and as many appends, fill a zone
	lockReads = 8                   // to each write
)

// TestQueuesShareNoLock: two queues at work on mapped space, each in zones of
// its own, never wait for one another. The profiles of the runtime tell.
func TestQueuesShareNoLock(t *testing.T) {
	lanes := lockLanes(t, 2)
	queuesShareNoLock(t, lanes, func(i int) { lanes[i].work(lockFirst * uint64(1+i)) })
}

// TestQueuesShareNoLockOfPlainDisk: a plain disk is one zone, which all queues
// read and write.
func TestQueuesShareNoLockOfPlainDisk(t *testing.T) {
	lanes := lockLanes(t, 2)
	queuesShareNoLock(t, lanes, func(i int) { lanes[i].workAnywhere() })
}

func queuesShareNoLock(t *testing.T, lanes []*mutedLane, work func(i int)) {
	before := contention()
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	defer runtime.SetMutexProfileFraction(0)
	defer runtime.SetBlockProfileRate(0)
	var ended sync.WaitGroup
	for i := range lanes {
		ended.Go(func() { work(i) })
	}
	ended.Wait()
	for stack, n := range contention() {
		if n > before[stack] {
			t.Errorf("waited %d times for:\n%s", n-before[stack], stack)
		}
	}
}

// work fills the zone at a sector with writes and appends, and reads all along.
func (l *mutedLane) work(zone uint64) {
	for i := range uint64(lockEach) {
		l.do(ublk.NewIODesc(ublk.OpWrite, 0, zone+i*16, 8))
		l.do(ublk.NewIODesc(ublk.OpZoneAppend, 0, zone, 8))
		for k := range uint64(lockReads) {
			l.do(ublk.NewIODesc(ublk.OpRead, 0, zone+(i*7919+k)%(2*i+2)*8, 8))
		}
	}
}

// workAnywhere writes and reads the conventional zone.
func (l *mutedLane) workAnywhere() {
	for i := range uint64(20 * lockEach) {
		at := i * 7919 % (lockFirst / 8) * 8
		l.do(ublk.NewIODesc(ublk.OpWrite, 0, at, 8))
		l.do(ublk.NewIODesc(ublk.OpRead, 0, at, 8))
	}
}

// lockLanes are queues of one disk, whose zones are mapped and empty.
func lockLanes(t *testing.T, n int) (lanes []*mutedLane) {
	path := newImage(t, qcow2.CreateOptions{Size: 4 * lockZone, Zone: &qcow2.ZoneOptions{Size: lockZone, Conventional: 1}})
	s := newSim(t, path, n, 4)
	t.Cleanup(s.close)
	if err := s.disk.img.Ensure(0, lockZone, lockZone); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		start := uint64(1+i) * lockZone
		if err := s.disk.img.Ensure(start, lockZone, lockZone); err != nil {
			t.Fatal(err)
		}
		s.disk.ahead.extend(uint32(1+i), start+lockZone)
		q, err := NewQueue(s.disk, i, 4, simMaxIO)
		if err != nil {
			t.Fatal(err)
		}
		l := &mutedLane{q: q}
		q.lane = l
		lanes = append(lanes, l)
	}
	return lanes
}

// contention is how often each stack of ours has waited for a lock, or made
// another one wait.
func contention() map[string]int64 {
	found := map[string]int64{}
	for _, profile := range []func([]runtime.BlockProfileRecord) (int, bool){runtime.MutexProfile, runtime.BlockProfile} {
		n, _ := profile(nil)
		records := make([]runtime.BlockProfileRecord, n+64)
		n, _ = profile(records)
		for _, r := range records[:n] {
			if stack := ourStack(r.Stack()); stack != "" {
				found[stack] += r.Count
			}
		}
	}
	return found
}

// ourStack is a stack that leads through a request of a queue, "" for others.
func ourStack(pcs []uintptr) string {
	var text strings.Builder
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		text.WriteString(f.Function + "\n")
		if !more {
			break
		}
	}
	if !strings.Contains(text.String(), "(*benchLane).work") || !strings.HasPrefix(text.String(), "sync.") {
		return ""
	}
	return text.String()
}

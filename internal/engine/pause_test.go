// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestDrain: what was begun is answered, what comes later waits for the next
// daemon, and the state file says exactly what was answered.
func TestDrain(t *testing.T) {
	d := newDeath(t)
	const zones, size = 4, 4096
	var acked [zones]atomic.Int64
	for z := range zones {
		go func() {
			for off := uint64(0); off < testCap; off += size {
				if d.write(uint64(z+1)*testZone+off, pattern(uint64(z), size)) == 0 {
					acked[z].Add(1)
				}
				time.Sleep(time.Millisecond) // none is full before the hand-over
			}
		}()
	}
	for acked[0].Load() < 5 {
		time.Sleep(time.Millisecond)
	}
	var queues []*Queue
	for _, q := range d.queues {
		queues = append(queues, q.q)
	}
	if answered, err := d.disk.Drain(queues, time.Minute); err != nil || !answered {
		t.Fatalf("all answered: %v, %v", answered, err)
	}
	var done [zones]int64
	for z := range zones {
		written := int64(d.disk.zones.State(uint32(z+1)).WP-uint64(z+1)*testZone) / size
		for end := time.Now().Add(time.Minute); acked[z].Load() < written && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // an answer on its way
		}
		done[z] = acked[z].Load()
		if wp := d.disk.zones.State(uint32(z + 1)).WP; wp != uint64(z+1)*testZone+uint64(done[z]*size) {
			t.Errorf("zone %d: write pointer %d after %d answered writes", z+1, wp, done[z])
		}
	}
	for tag := range uint16(4) {
		if f, ok := d.disk.state.InFlight(0, tag); ok && !f.Committing {
			t.Errorf("tag %d is still in flight: %+v", tag, f)
		}
	}
	d.die()
	d.revive()
	for z := range zones {
		must(t, "the write that waited", d.write(uint64(z+1)*testZone+uint64(done[z]*size), pattern(uint64(z), size)))
	}
	d.sim.close()
	checkImage(t, d.image)
}

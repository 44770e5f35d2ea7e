package server

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// TestHandOver: what was begun is answered, what comes later waits for the next
// daemon, and the state file says exactly what was answered.
func TestHandOver(t *testing.T) {
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
	dev := &Device{disk: d.disk, cfg: Config{Recovery: RecoveryReissue}, log: silent()}
	for _, q := range d.queues {
		dev.lanes = append(dev.lanes, q.q)
	}
	if err := dev.handOver(); !errors.Is(err, ErrHandOver) {
		t.Fatal(err)
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
	for i := range d.disk.state.records {
		if f, ok := d.disk.state.records[i].flight(); ok && !f.Committing {
			t.Errorf("tag %d is still in flight: %+v", i, f)
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

func TestHandOverRefused(t *testing.T) {
	for name, c := range map[string]struct {
		recovery Recovery
		frozen   bool
		version  int
	}{
		"no recovery":          {RecoveryOff, false, stateVersion},
		"read-only by failure": {RecoveryReissue, true, stateVersion},
		"other state files":    {RecoveryReissue, false, stateVersion + 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Device{disk: &Disk{}, cfg: Config{Recovery: c.recovery}}
			d.disk.frozen.Store(c.frozen)
			if err := d.mayHandOver(c.version); !errors.Is(err, ErrRecover) {
				t.Errorf("got %v", err)
			}
		})
	}
}

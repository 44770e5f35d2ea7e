// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestClaimIsAlone: whoever has a claim has the folder that all see, though it
// is given up and taken by many.
func TestClaimIsAlone(t *testing.T) {
	run := t.TempDir()
	var holders, claims atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
				c, err := lockDevice(run, 3)
				if errors.Is(err, ErrServed) {
					continue
				}
				if err != nil {
					continue // the folder went while it was being taken
				}
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have the claim", n)
				}
				if err := c.write(Record{ID: 3}); err != nil {
					t.Errorf("the folder is gone: %v", err)
				}
				claims.Add(1)
				holders.Add(-1)
				c.remove()
			}
		})
	}
	all.Wait()
	if claims.Load() < 8 {
		t.Errorf("only %d claims", claims.Load())
	}
}

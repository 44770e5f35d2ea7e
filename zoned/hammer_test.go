// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"fmt"
	"sync"
	"testing"

	"zqublkd/zoned"
)

// TestNoRefusalWhileASlotComesBack: zones are only ever opened implicitly, so
// there is always one to evict or a slot has just come back; "too many open
// zones" would be a lie at any moment.
func TestNoRefusalWhileASlotComesBack(t *testing.T) {
	for _, back := range []string{"close", "reset", "finish"} {
		t.Run(back, func(t *testing.T) {
			d := manyZones(t, 3, zoned.Limits{MaxOpen: 1})
			var all sync.WaitGroup
			for zone := range uint64(3) {
				all.Go(func() {
					if err := openAndGiveBack(d, back, zone*scriptZone, min(budget()/2, 1_000_000)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if err := d.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func openAndGiveBack(d *zoned.Device, back string, off uint64, times int) error {
	var op zoned.Op
	for range times {
		v, err := d.BeginAppend(&op, off, 1)
		if v != zoned.Granted {
			return fmt.Errorf("append at %d: %v", off, err)
		}
		if d.EndWrite(&op, nil) != &op {
			return fmt.Errorf("append at %d: no answer", off)
		}
		for _, kind := range []string{back, "reset"} {
			switch v, _, err := begin(d, &op, kind, []uint64{off, 0}); v {
			case zoned.Granted:
				end(d, &op, kind, nil)
			case zoned.Refused, zoned.Parked:
				return fmt.Errorf("%s at %d: verdict %d, %v", kind, off, v, err)
			}
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/qcow2test"
)

// FuzzCheck: whatever the image, the check ends, changes nothing unless asked
// to, and what a repair reports is what the next check finds.
func FuzzCheck(f *testing.F) {
	bases := qcow2test.SmallImages(f)
	for i := range bases {
		f.Add(uint8(i), []byte{})
		f.Add(uint8(i), []byte{0, 23, 9 ^ 21, 0, 99, 4})           // large clusters
		f.Add(uint8(i), []byte{0, 53, 0xff, 4, 4, 0x10, 6, 6, 64}) // tables elsewhere
	}
	f.Fuzz(func(t *testing.T, base uint8, patches []byte) {
		raw := qcow2test.Patched(bases[int(base)%len(bases)], patches[:min(len(patches), 300)])
		rec := storagetest.NewRecorder(storagetest.NewMem(raw))
		o := check.Options{Memory: 4 << 20, MaxFindings: 50}
		if _, err := check.Check(rec, o); rec.Len() != 0 {
			t.Fatalf("a check that may change nothing wrote (%v)", err)
		}
		o.Repair = check.RepairAll
		r, err := check.Check(rec, o)
		if err != nil {
			return
		}
		again, err := check.Check(rec, check.Options{Memory: 8 << 20})
		if err != nil || again.Corruptions != r.Corruptions || again.Leaks != r.Leaks {
			t.Errorf("after repair %+v\nfresh check %+v, %v", r, again, err)
		}
	})
}

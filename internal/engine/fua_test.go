// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestC08_FUAIsDurable: whatever changes data and says FUA is durable before it
// is answered.
func TestC08_FUAIsDurable(t *testing.T) {
	for _, op := range []ublk.Op{ublk.OpWrite, ublk.OpWriteZeroes} {
		t.Run(op.String(), func(t *testing.T) {
			mem := storagetest.NewMem(nil)
			if err := qcow2.Create(mem, qcow2.CreateOptions{Size: 8 << 20}); err != nil {
				t.Fatal(err)
			}
			rec := storagetest.NewRecorder(mem)
			s := newSimIn(t, rec, 1, 4)
			must(t, "write", s.write(0, pattern(1, 256<<10)))
			must(t, "flush", s.flush())
			before := rec.Len()
			must(t, "FUA", s.do(op, ublk.FlagFUA, 0, 64<<10, make([]byte, 64<<10)).errno())
			if left := rec.Pending(rec.Len()); rec.Len() == before || len(left) > 0 {
				t.Errorf("answered after %d operations on the file, %v of them are not durable", rec.Len()-before, left)
			}
			s.close()
		})
	}
	s, rec := newFaulty(t)
	if a := s.do(ublk.OpZoneAppend, ublk.FlagFUA, testZone, 8192, pattern(1, 8192)); a.errno() != 0 || len(rec.Pending(rec.Len())) > 0 {
		t.Errorf("append: %v, %v are not durable", a.errno(), rec.Pending(rec.Len()))
	}
	s.close()
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"testing"

	"zqublkd/ublk"
)

// Each operation that the driver sends has a row, and a row has all that a request
// on it will ask for.
func TestOperationsHaveTheirRows(t *testing.T) {
	reads := map[ublk.Op]bool{ublk.OpRead: true, ublk.OpFlush: true, ublk.OpReportZones: true}
	withFUA := map[ublk.Op]bool{ublk.OpWrite: true, ublk.OpZoneAppend: true, ublk.OpWriteZeroes: true}
	for _, op := range []ublk.Op{ublk.OpRead, ublk.OpWrite, ublk.OpFlush, ublk.OpDiscard, ublk.OpWriteZeroes, ublk.OpZoneOpen,
		ublk.OpZoneClose, ublk.OpZoneFinish, ublk.OpZoneAppend, ublk.OpZoneResetAll, ublk.OpZoneReset, ublk.OpReportZones} {
		o := operationOf(op)
		if o == &unknownOperation {
			t.Errorf("%s: no row", op)
			continue
		}
		if o.changes == reads[op] {
			t.Errorf("%s: changes is %v", op, o.changes)
		}
		if o.fua != withFUA[op] {
			t.Errorf("%s: fua is %v", op, o.fua)
		}
		if o.result == nil && op != ublk.OpReportZones {
			t.Errorf("%s: no result", op)
		}
		if (o.data != nil || o.job != 0) && o.end == nil {
			t.Errorf("%s: work without an end", op)
		}
	}
	for _, op := range []ublk.Op{ublk.OpWriteSame, 6, 9, 16, 17, 19, 255} {
		if operationOf(op) != &unknownOperation {
			t.Errorf("operation %d has a row", op)
		}
	}
	if placedAppend.data != &toImage || !placedAppend.alone || !placedAppend.fua {
		t.Error("a placed append is not written as an append and ended as a read")
	}
}

// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"syscall"
	"testing"
)

// noSector is where the driver says that a FLUSH starts.
const noSector = ^uint64(0)

func TestResult(t *testing.T) {
	const maxIO = 1 << 20
	read, report := NewIODesc(OpRead, 0, 0, 8), NewIODesc(OpReportZones, 0, 0, 3)
	for name, c := range map[string]struct {
		d    IODesc
		res  int32
		want int32
		ok   bool
	}{
		"full read":          {read, 4096, 4096, true},
		"short read":         {read, 4095, 0, false},
		"empty read":         {read, 0, 0, false},
		"too long a read":    {read, 8192, 0, false},
		"short write":        {NewIODesc(OpWrite, 0, 0, 8), 512, 0, false},
		"short append":       {NewIODesc(OpZoneAppend, 0, 0, 8), 512, 0, false},
		"failed write":       {NewIODesc(OpWrite, 0, 0, 8), -28, -28, true},
		"report of 3 zones":  {report, 192, maxIO, true},
		"report of nothing":  {report, 0, maxIO, true},
		"failed report":      {report, -5, -5, true},
		"flush":              {NewIODesc(OpFlush, 0, noSector, 0), 0, 0, true},
		"flush with a count": {NewIODesc(OpFlush, 0, noSector, 0), 77, 0, true},
		"reset":              {NewIODesc(OpZoneReset, 0, 8, 0), 0, 0, true},
		"EREMCHG":            {read, -int32(syscall.EREMCHG), -5, true},
		"no errno":           {read, -5000, -5, true},
		"least integer":      {read, -1 << 31, -5, true},
	} {
		if got, ok := result(&c.d, c.res, maxIO); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %d, %v; want %d, %v", name, got, ok, c.want, c.ok)
		}
	}
}

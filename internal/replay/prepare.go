// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"fmt"
	"syscall"

	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

// begin sees to it that the zones are as the trace begins with them.
func begin(t *Trace, d target, prepare bool) error {
	zones, err := d.zones()
	if err != nil {
		return err
	}
	var wrong []trace.Record
	for i, z := range zones {
		want := t.first[uint32(i)]
		how := differs(want, z)
		if how == "" {
			continue
		}
		if !prepare {
			return fmt.Errorf("at the beginning %s; --prepare makes all zones as they were in the trace, and what is in them is lost", how)
		}
		wrong = append(wrong, want)
	}
	for _, want := range wrong {
		if err := empty(t, d, want, zones[want.Zone]); err != nil {
			return fmt.Errorf("zone %d can't be prepared: %w", want.Zone, err)
		}
	}
	for _, want := range wrong {
		if err := fillZone(t, d, want); err != nil {
			return fmt.Errorf("zone %d can't be made %s: %w", want.Zone, want.Cond, err)
		}
	}
	return nil
}

func empty(t *Trace, d target, want trace.Record, is zoned.Info) error {
	if want.Cond == zoned.ReadOnly || want.Cond == zoned.Offline {
		return fmt.Errorf("it was %s in the trace, and is not on the device", want.Cond)
	}
	if is.Condition == zoned.Empty {
		return nil
	}
	g := t.Header.Geometry
	return errorOf(d.manage(zoned.OpReset, g.Start(want.Zone), g.Length(want.Zone)))
}

// piece is how much is written at once.
const piece = 1 << 20

// fillZone makes an empty zone what it was in the trace.
func fillZone(t *Trace, d target, want trace.Record) error {
	g := t.Header.Geometry
	start, length := g.Start(want.Zone), g.Length(want.Zone)
	manage := func(op zoned.Operation) error { return errorOf(d.manage(op, start, length)) }
	if want.Cond == zoned.Full {
		return manage(zoned.OpFinish)
	}
	if want.Cond == zoned.ExplicitOpen {
		if err := manage(zoned.OpOpen); err != nil {
			return err
		}
	}
	for at := start; want.Cond.Active() && at < want.Place; at += piece {
		if errno := d.write(at, min(piece, want.Place-at), false); errno != 0 {
			return errno
		}
	}
	if want.Cond == zoned.Closed {
		return manage(zoned.OpClose)
	}
	return nil
}

// errorOf keeps an errno that is none from being an error.
func errorOf(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

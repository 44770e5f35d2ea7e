// SPDX-License-Identifier: Apache-2.0

package zoned_test

import (
	"errors"
	"fmt"

	"zqublkd/zoned"
)

// errIO is the failure of a request's own I/O.
var errIO = errors.New("the I/O failed")

// begin calls the Begin of a kind of request. more is where an append goes or
// how much of a read is there.
func begin(d *zoned.Device, op *zoned.Op, kind string, arg []uint64) (v zoned.Verdict, more string, err error) {
	switch kind {
	case "write":
		v, err = d.BeginWrite(op, arg[0], arg[1])
	case "append":
		if v, err = d.BeginAppend(op, arg[0], arg[1]); v == zoned.Granted {
			more = fmt.Sprintf(" at %d", op.Start)
		}
	case "read":
		var n uint64
		if v, n, err = d.BeginRead(op, arg[0], arg[1]); v == zoned.Granted {
			more = fmt.Sprintf(" %d", n)
		}
	case "open":
		v, err = d.BeginOpen(op, arg[0])
	case "close":
		v, err = d.BeginClose(op, arg[0])
	case "reset":
		v, err = d.BeginReset(op, arg[0])
	case "finish":
		v, err = d.BeginFinish(op, arg[0])
	case "reset-all":
		v, err = d.BeginResetAll(op)
	default:
		panic("no such call: " + kind)
	}
	return v, more, err
}

// end calls the End of a kind of request.
func end(d *zoned.Device, op *zoned.Op, kind string, err error) *zoned.Op {
	switch kind {
	case "write", "append":
		return d.EndWrite(op, err)
	case "read":
		return d.EndRead(op)
	case "finish":
		return d.EndFinish(op, err)
	}
	return d.EndReset(op, err)
}

// verdict is what a Begin said, in words.
func verdict(v zoned.Verdict, more string, err error) string {
	name := map[zoned.Verdict]string{zoned.Granted: "granted", zoned.Done: "done", zoned.Parked: "parked", zoned.Refused: "refused"}[v]
	var rule *zoned.Error
	switch {
	case v != zoned.Refused && err != nil:
		return fmt.Sprintf("%s, but with an error: %v", name, err)
	case v != zoned.Refused:
		return name + more
	case !errors.As(err, &rule):
		return fmt.Sprintf("refused without a rule: %v", err)
	}
	return "refused: " + rule.Rule.String()
}

// outcome is what an End said about a request, in words.
func outcome(o *zoned.Op) string {
	switch {
	case o.Outcome == zoned.Acknowledged && o.Err == nil:
		return "ok"
	case o.Outcome == zoned.Retry && o.Err == nil:
		return "again"
	case o.Outcome == zoned.Failed && o.Err == errIO:
		return "failed"
	case o.Outcome == zoned.Failed && errors.Is(o.Err, &zoned.Error{Rule: zoned.RuleAborted}):
		return "aborted"
	}
	return fmt.Sprintf("outcome %d with error %v", o.Outcome, o.Err)
}

// observer remembers what a device told of each zone.
type observer struct {
	said  []zoned.State
	calls int
}

// watch starts from the zones as they are.
func (o *observer) watch(d *zoned.Device) {
	o.said = make([]zoned.State, d.Geometry().Zones())
	for i := range o.said {
		o.said[i] = d.State(uint32(i))
	}
}

// ZoneChanged implements zoned.Observer.
func (o *observer) ZoneChanged(i uint32, s zoned.State) { o.said[i], o.calls = s, o.calls+1 }

// check holds what was told against what is.
func (o *observer) check(d *zoned.Device) error {
	for i, s := range o.said {
		if is := d.State(uint32(i)); is != s {
			return fmt.Errorf("zone %d is %v, its observer was told %v", i, is, s)
		}
	}
	return nil
}

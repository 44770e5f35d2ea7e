// SPDX-License-Identifier: Apache-2.0

package replay

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"zqublkd/internal/trace"
	"zqublkd/zoned"
)

// Options say how a trace is replayed.
type Options struct {
	Device  string
	Prepare bool // first make the zones as they stood when the trace began: what is in them is lost
}

// Result is what a replay has found.
type Result struct {
	Requests    int      `json:"requests"`
	Skipped     int      `json:"skipped"` // that programs can't ask for
	Found       int      `json:"found"`   // differences
	Differences []string `json:"differences"`
	Notes       []string `json:"notes"`
}

// maxTold bounds how many differences are told.
const maxTold = 100

func (r *Result) differ(format string, args ...any) {
	r.Found++
	if len(r.Differences) < maxTold {
		r.Differences = append(r.Differences, fmt.Sprintf(format, args...))
	}
}

// Run replays a trace on a device.
func Run(t *Trace, o Options) (*Result, error) {
	d, err := openDevice(o.Device)
	if err != nil {
		return nil, err
	}
	r, err := run(t, d, o)
	return r, errors.Join(err, d.Close())
}

// target is a device to replay on.
type target interface {
	zones() ([]zoned.Info, error)
	limits() (zoned.Limits, error)
	block() (uint64, error) // logical block in bytes
	read(off, n uint64) syscall.Errno
	write(off, n uint64, fua bool) syscall.Errno
	sync() syscall.Errno
	manage(op zoned.Operation, off, n uint64) syscall.Errno
	zone(off uint64) (zoned.Info, syscall.Errno)
}

func run(t *Trace, d target, o Options) (*Result, error) {
	r := &Result{Notes: t.Notes, Differences: []string{}}
	if err := fits(t, d, r); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Device, err)
	}
	if err := begin(t, d, o.Prepare); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Device, err)
	}
	for _, req := range t.Requests {
		got, ok := do(t, d, &req)
		if !ok {
			r.Skipped++
			continue
		}
		r.Requests++
		if got != syscall.Errno(req.Errno) {
			r.differ("%s: %s in the trace, %s on the device", req.Describe(),
				outcome(syscall.Errno(req.Errno)), outcome(got))
		}
	}
	zones, err := d.zones()
	if err != nil {
		return nil, err
	}
	for i, z := range zones {
		if how := differs(t.last[uint32(i)], z); how != "" {
			r.differ("at the end %s", how)
		}
	}
	return r, nil
}

func outcome(e syscall.Errno) string {
	if e == 0 {
		return "success"
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}

// fits refuses a device of another geometry. Limits may differ: what comes of it is
// what a replay finds.
func fits(t *Trace, d target, r *Result) error {
	g := t.Header.Geometry
	zones, err := d.zones()
	if err != nil {
		return err
	}
	if len(zones) != int(g.Zones()) {
		return fmt.Errorf("it has %d zones, the device of the trace had %d: the trace %w on it", len(zones), g.Zones(), ErrTrace)
	}
	for i, z := range zones {
		k := uint32(i)
		if z.Length != g.Length(k) || z.Capacity != g.Capacity(k) || z.Conventional != g.IsConventional(k) {
			return fmt.Errorf("zone %d has %d bytes of which %d can be written (conventional: %t), in the trace %d, %d, %t: it %w on it",
				i, z.Length, z.Capacity, z.Conventional, g.Length(k), g.Capacity(k), g.IsConventional(k), ErrTrace)
		}
	}
	block, err := d.block()
	if err != nil {
		return err
	}
	if block > uint64(t.Header.LogicalBlock) {
		return fmt.Errorf("its logical blocks have %d bytes, those of the trace %d: it %w on it", block, t.Header.LogicalBlock,
			ErrTrace)
	}
	l, err := d.limits()
	if was := t.Header.Limits; err == nil && (l.MaxOpen != was.MaxOpen || l.MaxActive != was.MaxActive) {
		r.Notes = append(r.Notes, fmt.Sprintf("limits differ: %d open and %d active zones in the trace, %d and %d on the device (0: any)",
			was.MaxOpen, was.MaxActive, l.MaxOpen, l.MaxActive))
	}
	return nil
}

// manages are the requests that are an ioctl.
var manages = map[trace.Op]zoned.Operation{trace.Open: zoned.OpOpen, trace.Close: zoned.OpClose,
	trace.Finish: zoned.OpFinish, trace.Reset: zoned.OpReset, trace.ResetAll: zoned.OpReset}

// do does a request; false: programs can't ask for it.
func do(t *Trace, d target, r *trace.Record) (syscall.Errno, bool) {
	g := t.Header.Geometry
	switch r.Op {
	case trace.Read:
		return d.read(r.Start, r.Length), true
	case trace.Write:
		return write(d, r.Start, r), true
	case trace.Append:
		return appendTo(d, g, r), true
	case trace.Flush:
		return d.sync(), true
	case trace.ResetAll:
		return d.manage(zoned.OpReset, 0, g.Size), true
	}
	op, ok := manages[r.Op]
	if !ok {
		return 0, false
	}
	return d.manage(op, g.Start(r.Zone), g.Length(r.Zone)), true
}

// write writes; after one that has failed the kernel learns the zone's write
// pointer again, which some kernels do only when asked for a report.
func write(d target, off uint64, r *trace.Record) syscall.Errno {
	errno := d.write(off, r.Length, r.FUA)
	if errno != 0 {
		_, _ = d.zone(off)
	}
	return errno
}

// appendTo writes to the place that an append had; one that has failed is a write
// at the write pointer, or into a zone that is full.
func appendTo(d target, g zoned.Geometry, r *trace.Record) syscall.Errno {
	if r.Errno == 0 {
		return write(d, r.Place, r)
	}
	z, errno := d.zone(g.Start(r.Zone))
	if errno != 0 {
		return errno
	}
	at := z.WP
	if z.Condition == zoned.Full || at >= z.Start+z.Capacity {
		at = z.Start
	}
	return write(d, at, r)
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"errors"
	"fmt"
	"iter"

	"github.com/sirupsen/logrus"

	"zqublkd/zoned"
)

// Manage says what is to become of zones of an image that nobody serves.
type Manage struct {
	Image string
	Op    zoned.Operation  // OpReset or OpFinish
	Zones iter.Seq[uint32] // in order, each once; nil: all that a reset of all zones resets
	Log   *logrus.Logger
}

// ErrManage is an image whose zones can't be changed, and ErrZone a zone that there
// is not.
var (
	ErrManage = errors.New("its zones can't be changed")
	ErrZone   = errors.New("no such zone")
)

// Run does it, by the rules and in the order in which a device does: each zone is
// durably what it shall be before the next is begun, and a crash leaves each as it
// was or as it shall be. A zone that the rules refuse is an error before any zone
// has changed.
func (m Manage) Run() (err error) {
	d, err := OpenDisk(m.Image, DiskOptions{Log: m.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if d.img.Zoned() == nil {
		return fmt.Errorf("%s: %w: it is a plain qcow2 image, it has none", m.Image, ErrManage)
	}
	if err := Servable(d.img); err != nil { // the engine relies on what is judged there
		return fmt.Errorf("%s: %w: %w", m.Image, ErrManage, err)
	}
	if err := m.judge(d); err != nil {
		return fmt.Errorf("%s: %w", m.Image, err)
	}
	if err := d.Start(1, nil); err != nil {
		return err
	}
	if m.Zones == nil {
		var op zoned.Op
		v, err := d.zones.BeginResetAll(&op)
		return d.manage(&op, v, err)
	}
	for i := range m.Zones {
		var op zoned.Op
		v, err := m.begin(d.zones, &op, i)
		if err := d.manage(&op, v, err); err != nil {
			return fmt.Errorf("%s: zone %d: %w", m.Image, i, err)
		}
	}
	return nil
}

// judge begins all of it on zones that are thrown away.
func (m Manage) judge(d *Disk) error {
	zones, err := Zones(d.img, nil)
	if err != nil || m.Zones == nil {
		return err
	}
	ops := map[uint32]*zoned.Op{}
	for i := range m.Zones {
		if n := zones.Geometry().Zones(); i >= n {
			return fmt.Errorf("zone %d: %w: the image has zones 0 to %d", i, ErrZone, n-1)
		}
		ops[i] = new(zoned.Op)
		if v, err := m.begin(zones, ops[i], i); v == zoned.Refused {
			return fmt.Errorf("%w; leave zone %d out, or make it normal with `zqublkd zone set` if it is read-only or offline", err, i)
		}
	}
	return nil
}

func (m Manage) begin(zones *zoned.Device, op *zoned.Op, i uint32) (zoned.Verdict, error) {
	if m.Op == zoned.OpFinish {
		return zones.BeginFinish(op, zones.Geometry().Start(i))
	}
	return zones.BeginReset(op, zones.Geometry().Start(i))
}

// manage does what the rules have granted.
func (d *Disk) manage(op *zoned.Op, v zoned.Verdict, err error) error {
	switch {
	case v == zoned.Refused:
		return err
	case v == zoned.Done:
		return nil
	case op.Kind == zoned.OpFinish:
		d.durability.finish(op)
	default:
		d.durability.reset(op)
	}
	return op.Err
}

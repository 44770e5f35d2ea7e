// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"errors"
	"fmt"

	"zqublkd/internal/imagefile"
	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// Merge writes what an overlay holds itself into its backing file, base, which is opened
// for writing; after it base reads as the overlay does. The overlay is opened read-only,
// perhaps without its backing file (Lenient), and is not changed.
//
// Whatever a crash leaves of base, the overlay reads over it what it has read before: only
// what it holds itself has changed below. Data is durable before the write pointers that
// show it, which go last; no more zones are active at any moment than may be. Called again,
// it completes what was begun. progress, which may be nil, is told how many bytes of the
// disk, from its start, are done; an error of it ends the work.
func Merge(top, base *qcow2.Image, progress func(uint64) error) error {
	m, err := newMerge(top, base, progress)
	if err != nil {
		return err
	}
	if err := judge(top, base); err != nil {
		return err
	}
	if err := base.MayHaveConditions(m.conditions()...); err != nil {
		return err
	}
	if err := m.copy(); err != nil {
		return err
	}
	if err := base.Sync(); err != nil || top.Zoned() == nil {
		return err
	}
	return m.zones(base)
}

// mergeRaw is Merge into a raw file.
func mergeRaw(top *qcow2.Image, file *storage.OSFile, progress func(uint64) error) error {
	size, err := file.Size()
	if err != nil {
		return err
	}
	if err := fits(top, format.RoundUp(uint64(size), format.DefaultLogicalBlockSize)); err != nil {
		return err
	}
	m, err := newMerge(top, raw{file}, progress)
	if err == nil {
		err = m.copy()
	}
	if err == nil {
		err = file.Datasync()
	}
	return err
}

// judge says what keeps an overlay from going into base.
func judge(top, base *qcow2.Image) error {
	if err := top.MayLieOver(base); err != nil {
		return err
	}
	if z := top.Zoned(); z != nil && z.ZoneLimits != base.Zoned().ZoneLimits {
		return &format.UnsupportedError{Feature: "an overlay with limits of zones that are not those of the backing file", WayOut: "zqublkd convert makes it an image that stands alone"}
	}
	return fits(top, base.VirtualSize())
}

func fits(top *qcow2.Image, size uint64) error {
	if top.VirtualSize() <= size {
		return nil
	}
	return &format.UnsupportedError{Feature: fmt.Sprintf("an overlay of %d bytes over a disk of %d", top.VirtualSize(), size), WayOut: "make the backing file larger with qemu-img resize first"}
}

// merge is one Merge.
type merge struct {
	from     *qcow2.Image
	to       target
	wps      []uint64
	progress func(uint64) error
	buf      []byte
}

func newMerge(from *qcow2.Image, to target, progress func(uint64) error) (*merge, error) {
	wps, err := pointers(from)
	if progress == nil {
		progress = func(uint64) error { return nil }
	}
	return &merge{from: from, to: to, wps: wps, progress: progress, buf: make([]byte, chunk)}, err
}

// copy moves all that the overlay holds itself, up to the write pointers.
func (m *merge) copy() error {
	return walk(m.from, m.wps, func(off, n uint64) error {
		for end := off + n; off < end; {
			x, err := m.from.LookupOwn(off, end-off)
			if err == nil {
				err = m.move(off, x)
			}
			if err != nil {
				return err
			}
			off += x.Len
		}
		return m.progress(off)
	}, func(uint64, uint64) error { return nil })
}

// move writes a run of the overlay to the same place.
func (m *merge) move(off uint64, x qcow2.Extent) error {
	switch x.Kind {
	case qcow2.Absent:
		return nil
	case qcow2.Zero:
		return m.to.MakeZero(off, x.Len)
	}
	p := m.buf[:x.Len]
	if err := m.from.ReadOwn(p, off, x); err != nil {
		return err
	}
	if format.IsZero(p) {
		return m.to.MakeZero(off, x.Len)
	}
	return m.to.WriteAt(p, off)
}

// zones gives base the write pointers and conditions of the overlay, once the data below them
// is durable. At no moment more zones are active than may be: first those zones become empty
// or full that are to be, then come the conditions, then the write pointers in between. Last,
// what lies above them is hidden from readers that know no zones.
func (m *merge) zones(base *qcow2.Image) error {
	ends, between, err := m.slots(base)
	if err != nil {
		return err
	}
	if err := writeSlots(base, ends); err != nil {
		return err
	}
	if err := base.SetZoneConditions(m.conditions()...); err != nil {
		return err
	}
	if err := writeSlots(base, between); err != nil {
		return err
	}
	err = walk(base, m.wps, func(uint64, uint64) error { return nil }, base.MakeZero)
	if err == nil {
		err = base.Sync()
	}
	return err
}

// slots are those that are to change: of zones that become empty or full, and of others.
func (m *merge) slots(base *qcow2.Image) (ends, between []format.ZoneSlot, err error) {
	z := base.Zoned()
	err = base.EachZone(func(zone uint32, e format.ZoneEntry) error {
		next := format.ZoneSlot{Zone: zone, WP: m.wps[zone]}
		switch {
		case zone < z.Conventional || min(e.WP, z.WritableEnd(zone)) == next.WP && !e.Invalid:
		case next.WP == z.ZoneStart(zone) || next.WP == z.WritableEnd(zone):
			ends = append(ends, next)
		default:
			between = append(between, next)
		}
		return nil
	})
	return ends, between, err
}

// writeSlots writes slots of the zone table, durably.
func writeSlots(base *qcow2.Image, slots []format.ZoneSlot) error {
	if len(slots) == 0 {
		return nil
	}
	if err := base.WriteZoneSlots(slots); err != nil {
		return err
	}
	return base.Sync()
}

// conditions make those of any image over the same zones what the overlay's are.
func (m *merge) conditions() []format.ConditionRun {
	z := m.from.Zoned()
	if z == nil || z.Zones == z.Conventional {
		return nil
	}
	all := format.ConditionRun{First: z.Conventional, Zones: z.Zones - z.Conventional, Condition: format.ZoneNormal}
	return append([]format.ConditionRun{all}, m.from.ZoneConditions()...)
}

// Commit writes what the overlay at path holds itself into its backing file, and makes it an
// overlay that holds nothing then, unless keep.
func Commit(path string, keep bool, o Options) error {
	top, f, err := own(path)
	if err != nil {
		return err
	}
	held := f // against others, until the overlay is made anew
	defer func() {
		if held != nil {
			held.Close()
		}
	}()
	var again *Again
	switch {
	case keep:
	case f.IsBlockDevice():
		return fmt.Errorf("%s is a block device, where an overlay can't be made anew in one step: keep it as it is with -d", path)
	default:
		if again, err = NewAgain(path); err != nil {
			return err
		}
	}
	if err := o.into(path, top); err != nil || keep {
		return err
	}
	err, held = f.Close(), nil
	if err == nil {
		err = again.Make()
	}
	if err != nil {
		return fmt.Errorf("all of it is in the backing file, and the overlay was left as it is: %w", err)
	}
	return nil
}

// into is Commit's way into the backing file.
func (o *Options) into(path string, top *qcow2.Image) error {
	h := top.Header()
	if !o.AllowBacking {
		return fmt.Errorf("%s: %w", path, &qcow2.NotFollowedError{What: "backing file", Name: h.BackingFile, Why: "it would be written; --allow-backing follows the name"})
	}
	file, kind, err := below(path, h)
	if err == nil {
		err = o.Idle(file)
	}
	if err != nil {
		return err
	}
	if kind == "raw" {
		return o.intoRaw(file, top)
	}
	base, err := imagefile.Open(file, o.files(false))
	if err != nil {
		return err
	}
	err = Merge(top, base.Image, o.report(top.VirtualSize()))
	if e := base.Image.Close(); err == nil {
		err = e
	}
	if err = errors.Join(err, base.Close()); err != nil {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return err
}

func (o *Options) intoRaw(file string, top *qcow2.Image) error {
	f, err := storage.Open(file, storage.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(mergeRaw(top, f, o.report(top.VirtualSize())), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"errors"
	"fmt"
	"math"

	"zqublkd/internal/storage"
	"zqublkd/qcow2"
	"zqublkd/qcow2/format"
)

// ErrContent: a disk can't become a zoned one with these zones, for what it
// holds and where.
var ErrContent = errors.New("content does not fit the zones")

// Source is a disk to be imported. Offsets are bytes.
type Source interface {
	Size() uint64

	// NextData is the first byte from off on that may be anything but zero, or
	// the size.
	NextData(off uint64) (uint64, error)

	// ReadDisk fills p from byte off; what lies past the end is zeros.
	ReadDisk(p []byte, off uint64) error
}

// ImportOptions of Import.
type ImportOptions struct {
	// Image to be made, with zones. Size 0 is that of the source, rounded up
	// to whole zones.
	Image qcow2.CreateOptions

	// WritePointers by zone, as bytes of the disk; those of conventional zones
	// don't matter. Nil: a sequential zone's lies behind its last byte that is
	// not zero, on the next logical block: the data must be from the zone's
	// start on, as nothing tells zeros that were written from others.
	WritePointers []uint64

	// Conditions of zones that are not normal.
	Conditions []format.ConditionRun

	// Progress, if set, is told now and then how many bytes of the disk, from its
	// start, are done.
	Progress func(done uint64)
}

// UnknownPointer is a write pointer to be found as if there were none given.
const UnknownPointer = math.MaxUint64

// importStep is how much is read, and space taken for, at a time; bytes.
const importStep = 4 << 20

// Import makes a zoned image of src in out, whatever out held. Content above
// a zone's capacity, or more partly written zones than may be active, is
// refused with ErrContent. Data is durable before the write pointers that show
// it: an import cut short leaves an image with empty sequential zones.
func Import(src Source, out storage.File, o ImportOptions) error {
	o, err := o.resolved(src)
	if err != nil {
		return err
	}
	if err := qcow2.Create(out, o.Image); err != nil {
		return err
	}
	i, err := qcow2.Open(out, qcow2.OpenOptions{})
	if err != nil {
		return err
	}
	m := importer{image: i, src: src, given: o.WritePointers, conditions: o.Conditions, progress: o.Progress,
		wps: make([]uint64, i.Zoned().Zones), buf: make([]byte, max(importStep, i.ClusterSize()))}
	if err := m.all(); err != nil {
		return errors.Join(err, i.Close())
	}
	return i.Close()
}

// Validate says which option breaks which rule, before anything is touched.
func (o ImportOptions) Validate(src Source) error {
	_, err := o.resolved(src)
	return err
}

// resolved fills in what was left out.
func (o ImportOptions) resolved(src Source) (ImportOptions, error) {
	if o.Image.Zone == nil {
		return o, &format.OptionError{Option: "zone.mode", Value: "", Rule: "an import makes zones: give zone.mode=host-managed (qemu-img convert makes plain copies)"}
	}
	o.Image = o.Image.WithDefaults()
	if o.Image.Size == 0 {
		o.Image.Size = format.DivUp(src.Size(), max(o.Image.Zone.Size, 1)) * o.Image.Zone.Size
	}
	if o.Image.Size < src.Size() {
		return o, &format.OptionError{Option: "size", Value: o.Image.Size, Rule: fmt.Sprintf("must not be below the %d bytes to be imported", src.Size())}
	}
	if n := format.DivUp(o.Image.Size, max(o.Image.Zone.Size, 1)); o.WritePointers != nil &&
		uint64(len(o.WritePointers)) != n {
		return o, fmt.Errorf("%d write pointers for %d zones: %w", len(o.WritePointers), n, ErrContent)
	}
	return o, o.Image.Validate()
}

type importer struct {
	image *qcow2.Image
	src   Source
	given []uint64
	wps   []uint64 // by zone
	buf   []byte

	conditions format.ConditionList
	progress   func(uint64)
}

func (m *importer) all() error {
	for k := range m.image.Zoned().Zones {
		if err := m.zone(k); err != nil {
			return fmt.Errorf("zone %d: %w", k, err)
		}
	}
	if err := m.checkActive(); err != nil {
		return err
	}
	if err := m.image.SetZoneConditions(m.conditions...); err != nil {
		return err
	}
	if err := m.image.Sync(); err != nil {
		return err
	}
	slots := make([]format.ZoneSlot, len(m.wps))
	for k, wp := range m.wps {
		slots[k] = format.ZoneSlot{Zone: uint32(k), WP: wp}
	}
	return m.image.WriteZoneSlots(slots)
}

// zone copies one zone and finds its write pointer.
func (m *importer) zone(k uint32) error {
	z := m.image.Zoned()
	start := z.ZoneStart(k)
	end := min(start+z.ZoneSize, z.VirtualSize)
	m.wps[k] = start
	given := m.given != nil && k >= z.Conventional && m.given[k] != UnknownPointer
	if given {
		m.wps[k] = m.given[k]
		end = m.given[k]
	}
	last, err := m.copy(start, min(end, m.src.Size()))
	if err != nil || k < z.Conventional || last == start {
		return err
	}
	if last > z.WritableEnd(k) {
		return fmt.Errorf("data at byte %d of the disk lies above the zone capacity, %d bytes: give zones of another size, or the capacity: %w",
			last-1, z.ZoneCapacity, ErrContent)
	}
	if !given {
		m.wps[k] = min(format.RoundUp(last, uint64(m.image.LogicalBlockSize())), z.WritableEnd(k))
	}
	return nil
}

// copy copies [off,end) and returns the byte behind the last that is not zero,
// or off.
func (m *importer) copy(off, end uint64) (uint64, error) {
	last := off
	geo := m.image.Geometry()
	for off < end {
		next, err := m.src.NextData(off)
		if err != nil {
			return last, err
		}
		off = max(off, geo.ClusterStart(next))
		if off >= end {
			break
		}
		p := m.buf[:min(uint64(len(m.buf)), end-off)]
		if err := m.src.ReadDisk(p, off); err != nil {
			return last, err
		}
		n, err := m.put(p, off)
		if err != nil {
			return last, err
		}
		if n > 0 {
			last = off + n
		}
		off += uint64(len(p))
		if m.progress != nil {
			m.progress(off)
		}
	}
	return last, nil
}

// put stores what is not zero of p, by clusters, and returns how much of p ends
// with its last byte that is not zero.
func (m *importer) put(p []byte, off uint64) (uint64, error) {
	size := m.image.ClusterSize()
	var last uint64
	for at := uint64(0); at < uint64(len(p)); {
		n := uint64(0)
		for at+n < uint64(len(p)) && !format.IsZero(p[at+n:min(at+n+size, uint64(len(p)))]) {
			n += size
		}
		if n == 0 {
			at += size
			continue
		}
		n = min(n, uint64(len(p))-at)
		if err := m.image.WriteAt(p[at:at+n], off+at); err != nil {
			return last, err
		}
		at += n
		last = at
	}
	for last > 0 && p[last-1] == 0 {
		last--
	}
	return last, nil
}

// checkActive: a zone that is partly written is an active one, unless it can't
// be written.
func (m *importer) checkActive() error {
	z := m.image.Zoned()
	n := uint32(0)
	for k := z.Conventional; k < z.Zones; k++ {
		if wp := m.wps[k]; wp != z.ZoneStart(k) && wp < z.WritableEnd(k) && m.conditions.At(k) == format.ZoneNormal {
			n++
		}
	}
	if z.MaxActive != 0 && n > z.MaxActive {
		return fmt.Errorf("%d zones would be partly written, and zone.max_active_zones is %d: give a higher limit: %w", n, z.MaxActive, ErrContent)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package format

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// ZoneCondition is what became of a zone besides what its write pointer says;
// its codes are the kernel's (enum blk_zone_cond, include/uapi/linux/blkzoned.h).
type ZoneCondition uint8

// The conditions an image keeps.
const (
	ZoneNormal   ZoneCondition = 0 // as the write pointer has it
	ZoneReadOnly ZoneCondition = 0xd
	ZoneOffline  ZoneCondition = 0xf
)

func (c ZoneCondition) String() string {
	switch c {
	case ZoneNormal:
		return "normal"
	case ZoneReadOnly:
		return "read-only"
	case ZoneOffline:
		return "offline"
	}
	return fmt.Sprintf("condition %#x", uint8(c))
}

// ConditionRun is a condition and the zones in a row that have it.
type ConditionRun struct {
	First, Zones uint32
	Condition    ZoneCondition
}

// End is the first zone after the run.
func (r ConditionRun) End() uint64 { return uint64(r.First) + uint64(r.Zones) }

func (r ConditionRun) String() string {
	if r.Zones == 1 {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.End()-1)
}

// ConditionList holds the zones that are not normal: runs in ascending order
// that don't overlap.
type ConditionList []ConditionRun

const conditionRunBytes = 12 // u32 first zone, u32 zones, u32 condition

func parseConditions(b []byte) (ConditionList, error) {
	if len(b)%conditionRunBytes != 0 {
		return nil, fmt.Errorf("private extension has zone conditions of %d bytes, no multiple of %d: %w", len(b), conditionRunBytes, ErrCorrupt)
	}
	var list ConditionList
	after := uint64(0)
	for ; len(b) > 0; b = b[conditionRunBytes:] {
		be := binary.BigEndian
		code := be.Uint32(b[8:])
		r := ConditionRun{be.Uint32(b), be.Uint32(b[4:]), ZoneCondition(code)}
		switch {
		case code != uint32(ZoneReadOnly) && code != uint32(ZoneOffline):
			return nil, fmt.Errorf("private extension gives zone %d the condition %#x, which none is: %w", r.First, code, ErrCorrupt)
		case r.End() > 1<<32:
			return nil, fmt.Errorf("private extension has zone conditions up to zone %d, more than can be: %w", r.End()-1, ErrCorrupt)
		case r.Zones == 0 || uint64(r.First) < after:
			return nil, fmt.Errorf("private extension has zone conditions out of order at zone %d: %w", r.First, ErrCorrupt)
		}
		list, after = append(list, r), r.End()
	}
	return list, nil
}

func (l ConditionList) encode() []byte {
	var b []byte
	for _, r := range l {
		b = binary.BigEndian.AppendUint32(b, r.First)
		b = binary.BigEndian.AppendUint32(b, r.Zones)
		b = binary.BigEndian.AppendUint32(b, uint32(r.Condition))
	}
	return b
}

// Fits: all zones are sequential ones of the image; zones is nil for a plain one.
func (l ConditionList) Fits(zones *ZonedInfo) error {
	for _, r := range l {
		switch {
		case zones == nil:
			return fmt.Errorf("private extension has conditions of zones, and the image has no zones: %w", ErrCorrupt)
		case r.End() > uint64(zones.Zones):
			return fmt.Errorf("private extension has conditions of zones %v, and there are %d: %w", r, zones.Zones, ErrCorrupt)
		case r.First < zones.Conventional:
			return fmt.Errorf("private extension makes zones %v %v, and the first %d are conventional: %w", r, r.Condition, zones.Conventional, ErrCorrupt)
		}
	}
	return nil
}

// With is the list after the zones of r have got its condition.
func (l ConditionList) With(r ConditionRun) ConditionList {
	var next ConditionList
	for _, old := range l {
		if old.First < r.First {
			next = append(next, ConditionRun{old.First, min(old.Zones, r.First-old.First), old.Condition})
		}
		if from := max(uint64(old.First), r.End()); from < old.End() {
			next = append(next, ConditionRun{uint32(from), uint32(old.End() - from), old.Condition})
		}
	}
	if r.Condition != ZoneNormal && r.Zones > 0 {
		next = append(next, r)
	}
	slices.SortFunc(next, func(a, b ConditionRun) int { return cmp.Compare(a.First, b.First) })
	return next.joined()
}

// joined makes one run of neighbours with the same condition.
func (l ConditionList) joined() ConditionList {
	var next ConditionList
	for _, r := range l {
		if k := len(next) - 1; k >= 0 && next[k].End() == uint64(r.First) && next[k].Condition == r.Condition {
			next[k].Zones += r.Zones
			continue
		}
		next = append(next, r)
	}
	return next
}

// At is the condition of one zone.
func (l ConditionList) At(zone uint32) ZoneCondition {
	k, found := slices.BinarySearchFunc(l, zone, func(r ConditionRun, zone uint32) int {
		switch {
		case uint64(zone) >= r.End():
			return -1
		case zone < r.First:
			return 1
		}
		return 0
	})
	if !found {
		return ZoneNormal
	}
	return l[k].Condition
}

// SPDX-License-Identifier: Apache-2.0

package format

import (
	"fmt"
	"strings"
)

// MaxZones is the largest number of zones read or created
// (QCOW2_MAX_NR_ZONES of the series from v11 on).
const MaxZones = 1 << 20

// ZoneContext is what a zoned extension is judged against. All bytes.
type ZoneContext struct {
	VirtualSize uint64
	FileSize    uint64
	ClusterSize uint64
}

// DetectLayout finds the one layout an extension's bytes make sense in. The
// format has no version field: length tells most, content the rest.
func DetectLayout(data []byte, c ZoneContext) (*ZoneLayout, ZoneExtension, error) {
	if err := foreignLength(len(data)); err != nil {
		return nil, ZoneExtension{}, err
	}
	var found []*ZoneLayout
	var why []string
	for _, l := range layouts {
		if l.length != len(data) {
			continue
		}
		if err := l.plausible(l.Decode(data), c); err != nil {
			why = append(why, fmt.Sprintf("not %s: %v", l.Name, err))
			continue
		}
		found = append(found, l)
	}
	if len(found) == 1 {
		return found[0], found[0].Decode(data), nil
	}
	if len(found) > 1 {
		why = []string{fmt.Sprintf("both %s and %s", found[0].Name, found[1].Name)}
	}
	return nil, ZoneExtension{}, fmt.Errorf("zoned extension of %d bytes fits no single known layout (%s): %w",
		len(data), strings.Join(why, "; "), ErrCorrupt)
}

// foreignLength names the layouts known by length only.
func foreignLength(n int) error {
	const wayOut = "convert it with the QEMU that made it"
	switch n {
	case 44, 48, 56:
		return nil
	case 52:
		return &UnsupportedError{"zoned extension of 52 bytes (the NVMe ZNS side series)", wayOut}
	case 55:
		return &UnsupportedError{"zoned extension of 55 bytes (the RFC series)", wayOut}
	}
	return &UnsupportedError{fmt.Sprintf("zoned extension of %d bytes", n), wayOut}
}

// plausible says why bytes decoded as this layout can't be meant so.
func (l *ZoneLayout) plausible(x ZoneExtension, c ZoneContext) error {
	switch {
	case x.ZoneSize == 0 || x.ZoneSize%512 != 0:
		return fmt.Errorf("zone size %d is not a multiple of 512", x.ZoneSize)
	case l.powerOfTwo && !IsPowerOfTwo(x.ZoneSize):
		return fmt.Errorf("zone size %d is no power of two", x.ZoneSize)
	case uint64(x.Zones) != DivUp(c.VirtualSize, x.ZoneSize):
		return fmt.Errorf("%d zones of %d bytes don't make a disk of %d", x.Zones, x.ZoneSize, c.VirtualSize)
	case l.powerOfTwo && x.ZoneCapacity > x.ZoneSize:
		return fmt.Errorf("zone capacity %d is above zone size %d", x.ZoneCapacity, x.ZoneSize)
	case l.powerOfTwo && x.Zones > MaxZones:
		return fmt.Errorf("%d zones, at most %d are allowed", x.Zones, MaxZones)
	case l.TableSize.Width != 0 && x.TableSize != uint64(x.Zones)*ZoneEntrySize:
		return fmt.Errorf("table of %d bytes does not hold %d zones", x.TableSize, x.Zones)
	}
	return l.PlausibleTable(x, c)
}

// PlausibleTable judges whether the zone table lies where it can.
func (l *ZoneLayout) PlausibleTable(x ZoneExtension, c ZoneContext) error {
	size := uint64(x.Zones) * ZoneEntrySize
	switch {
	case x.TableOffset%c.ClusterSize != 0 || x.TableOffset == 0:
		return fmt.Errorf("table offset %#x is no cluster of the file", x.TableOffset)
	case x.TableOffset > c.FileSize || size > c.FileSize-x.TableOffset:
		return fmt.Errorf("table at %#x lies past the end of the file", x.TableOffset)
	}
	return nil
}

// CheckZoneRules judges a detected extension by the rules every layout has.
func CheckZoneRules(x ZoneExtension) error {
	switch {
	case x.Model != ModelHostManaged:
		return &UnsupportedError{fmt.Sprintf("zone model %d", x.Model), "only host-managed (1) is known"}
	case x.Zones > MaxZones:
		return &UnsupportedError{fmt.Sprintf("%d zones", x.Zones), fmt.Sprintf("at most %d are read", MaxZones)}
	case x.ZoneCapacity > x.ZoneSize || x.ZoneCapacity == 0:
		return fmt.Errorf("zone capacity %d is not between 1 and the zone size %d: %w", x.ZoneCapacity, x.ZoneSize, ErrCorrupt)
	case x.ZoneCapacity%512 != 0:
		return fmt.Errorf("zone capacity %d is no multiple of 512: %w", x.ZoneCapacity, ErrCorrupt)
	case x.Conventional > x.Zones:
		return fmt.Errorf("%d conventional zones of %d: %w", x.Conventional, x.Zones, ErrCorrupt)
	}
	return nil
}

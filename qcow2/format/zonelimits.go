// SPDX-License-Identifier: Apache-2.0

package format

import (
	"fmt"
	"strings"
)

// CanHold says what about x the layout can't hold or its readers refuse, as an
// *OptionError that names the revisions which take it. ClusterSize is in bytes.
func (l *ZoneLayout) CanHold(x ZoneExtension, clusterSize uint64) error {
	err := l.breaks(x, clusterSize)
	if err == nil {
		return nil
	}
	var others []string
	for _, other := range layouts {
		if !other.Conditioned && other.breaks(x, clusterSize) == nil {
			others = append(others, other.Name)
		}
	}
	if len(others) > 0 {
		err.Rule += "; zone.revision=" + strings.Join(others, " or ") + " can"
	}
	return err
}

// breaks is the first rule of the layout that x breaks.
func (l *ZoneLayout) breaks(x ZoneExtension, clusterSize uint64) *OptionError {
	refuse := func(option string, value any, format string, args ...any) *OptionError {
		return &OptionError{option, value, fmt.Sprintf("revision "+l.Name+" can't have "+format, args...)}
	}
	switch {
	case !l.ZoneSize.holds(x.ZoneSize):
		return refuse("zone.size", x.ZoneSize, "zones of 4 GiB and more: it stores their size in %d bits", 8*l.ZoneSize.Width)
	case !l.MaxAppend.holds(uint64(x.MaxAppendBytes)):
		return refuse("zone.max_append_bytes", x.MaxAppendBytes, "an append limit")
	case l.powerOfTwo && !IsPowerOfTwo(x.ZoneSize):
		return refuse("zone.size", x.ZoneSize, "a zone size that is no power of two")
	case l.wholeClusters && x.ZoneSize%clusterSize != 0:
		return refuse("zone.size", x.ZoneSize, "a zone size that is no multiple of the cluster size %d", clusterSize)
	case l.sequential && x.Conventional >= x.Zones:
		return refuse("zone.conventional_zones", x.Conventional, "all of its %d zones conventional", x.Zones)
	case l.appendBelow && uint64(x.MaxAppendBytes)+512 >= x.ZoneCapacity:
		return refuse("zone.max_append_bytes", x.MaxAppendBytes, "an append limit within 512 bytes of the zone capacity %d", x.ZoneCapacity)
	}
	return nil
}

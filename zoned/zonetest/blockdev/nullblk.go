// SPDX-License-Identifier: Apache-2.0

package blockdev

import (
	"fmt"
	"os"

	"zqublkd/zoned"
)

// NullBlk is a Device of null_blk, whose zones can be made read-only and
// offline in its folder of configfs.
type NullBlk struct {
	*Device
	Folder string // /sys/kernel/config/nullb/NAME
}

// SetCondition implements zonetest.Degrader.
func (n NullBlk) SetCondition(zone uint32, c zoned.Condition) error {
	if c != zoned.Empty {
		return n.set(zone, c)
	}
	infos, errno := n.Report(n.geo.Start(zone), 1)
	if errno != 0 || len(infos) != 1 {
		return fmt.Errorf("report of zone %d: %w", zone, errno)
	}
	// Asked for again, the condition ends.
	if err := n.set(zone, infos[0].Condition); err != nil {
		return err
	}
	// The kernel may still know the write pointer of before.
	if e := n.Manage(zoned.OpReset, infos[0].Start); e != 0 {
		return fmt.Errorf("reset of zone %d: %w", zone, e)
	}
	return nil
}

var nullBlkFiles = map[zoned.Condition]string{zoned.ReadOnly: "zone_readonly", zoned.Offline: "zone_offline"}

func (n NullBlk) set(zone uint32, c zoned.Condition) error {
	return os.WriteFile(n.Folder+"/"+nullBlkFiles[c], fmt.Append(nil, n.geo.Start(zone)/sector), 0)
}

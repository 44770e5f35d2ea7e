// SPDX-License-Identifier: Apache-2.0

package blockdev

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"zqublkd/internal/blkdev"
	"zqublkd/zoned"
)

// queue is /sys/block/NAME/queue of a device.
type queue string

func queueOf(node string) queue { return queue("/sys/block/" + filepath.Base(node) + "/queue/") }

func (q queue) number(name string) (uint64, error) {
	text, err := os.ReadFile(string(q) + name)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// numbers reads the attributes that are keys of into.
func (q queue) numbers(into map[string]*uint64) error {
	for name, v := range into {
		n, err := q.number(name)
		if err != nil {
			return err
		}
		*v = n
	}
	return nil
}

// describe fills in what the kernel says of the device.
func (d *Device) describe() error {
	q := queueOf(d.path)
	var chunk, zones, open, active, kilobytes, segments uint64
	if err := q.numbers(map[string]*uint64{"chunk_sectors": &chunk, "nr_zones": &zones, "max_open_zones": &open,
		"max_active_zones": &active, "logical_block_size": &d.block, "max_hw_sectors_kb": &kilobytes,
		"max_segments": &segments}); err != nil {
		return err
	}
	if zones == 0 {
		return fmt.Errorf("%s has no zones", d.path)
	}
	infos, errno := blkdev.ReportZones(d.fd, 0, int(zones))
	if errno != 0 {
		return fmt.Errorf("report of %s: %w", d.path, errno)
	}
	d.limits = zoned.Limits{MaxOpen: uint32(open), MaxActive: uint32(active)}
	d.maxIO = min(kilobytes<<10, segments*page, maxIO)
	d.geo = zoned.Geometry{Size: chunk * sector * zones, ZoneSize: chunk * sector}
	for _, z := range infos {
		if z.Conventional {
			d.geo.Conventional++
		} else {
			d.geo.ZoneCapacity = z.Capacity
		}
	}
	return nil
}

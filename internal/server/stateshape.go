// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/internal/statefile"
)

// shape is what the state file of this device must fit.
func (d *Device) shape() (statefile.Shape, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.disk.File().Fd(), &st); err != nil {
		return statefile.Shape{}, fmt.Errorf("%s: %w", d.cfg.Image, err)
	}
	boot, err := statefile.BootID()
	if err != nil {
		return statefile.Shape{}, err
	}
	return statefile.Shape{
		BootID: boot, Dev: st.Dev, Ino: st.Ino, Geometry: d.disk.Geometry(),
		Queues: uint32(d.info.Queues), Tag: uint32(d.info.Depth),
	}, nil
}

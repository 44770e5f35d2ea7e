package server

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// shape is what the state file of this device must fit.
func (d *Device) shape() (StateShape, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.disk.File().Fd(), &st); err != nil {
		return StateShape{}, fmt.Errorf("%s: %w", d.cfg.Image, err)
	}
	boot, err := BootID()
	if err != nil {
		return StateShape{}, err
	}
	return StateShape{
		BootID: boot, Dev: st.Dev, Ino: st.Ino, Geometry: d.disk.Geometry(),
		Queues: uint32(d.info.Queues), Tag: uint32(d.info.Depth),
	}, nil
}

package server

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// shape is what the state file of this device must fit.
func (d *Device) shape() (StateShape, error) {
	var st unix.Stat_t
	if err := unix.Fstat(d.disk.File().Fd(), &st); err != nil {
		return StateShape{}, fmt.Errorf("%s: %w", d.cfg.Image, err)
	}
	boot, err := bootID()
	if err != nil {
		return StateShape{}, err
	}
	return StateShape{
		BootID: boot, Dev: st.Dev, Ino: st.Ino, Geometry: d.disk.Geometry(),
		Queues: uint32(d.info.Queues), Tag: uint32(d.info.Depth),
	}, nil
}

func bootID() (id [16]byte, err error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, err
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")))
	if err == nil && n != len(id) {
		err = fmt.Errorf("boot id of %d bytes", n)
	}
	return id, err
}

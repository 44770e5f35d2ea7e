package server

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage"
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

// Unserved is an error if image is served, or waits for the daemon that shall
// take its device over from a dead one: that goes on with what it knew.
func Unserved(runDir, image string) error {
	path, err := filepath.Abs(image)
	if err != nil {
		return err
	}
	records, err := Records(runDir)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Image == path && (r.Alive || r.Recovery == RecoveryReissue) {
			return fmt.Errorf("%s: %w: it is served as %s (stop it with `zqublkd del %d`)", image, storage.ErrInUse, r.Node, r.ID)
		}
	}
	return nil
}

// servedAs adds to an error about an image in use as what it is served.
func servedAs(runDir, image string, err error) error {
	if !errors.Is(err, storage.ErrInUse) {
		return err
	}
	records, _ := Records(runDir)
	for _, r := range records {
		if r.Image == image && r.Alive {
			return fmt.Errorf("%w: it is served as %s (stop it with `zqublkd del %d`)", err, r.Node, r.ID)
		}
	}
	return err
}

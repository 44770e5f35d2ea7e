// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"strings"

	"zqublkd/internal/engine"
	"zqublkd/internal/statefile"
	"zqublkd/qcow2/edit"
	"zqublkd/ublk"
)

// A disk that is served becomes larger between two daemons: the old one answers what it has
// begun, makes the image larger, durably, and goes; the next one takes the device over and tells
// the driver. Requests wait meanwhile. Whatever ends either, the next daemon finds an image that
// is no smaller than the driver's disk, and tells the driver again.

// ErrResize is a disk that can't get another size while it is served.
var ErrResize = errors.New("its size can't be changed while it is served")

// mayResize says why the disk can't get a size, nil if it can.
func (d *Device) mayResize(cmd command) error {
	img := d.disk.Image()
	no := func(why, wayOut string) error {
		return fmt.Errorf("%s: %w: %s; %s", d.record.Node, ErrResize, why, wayOut)
	}
	const offline = "stop it, and say `zqublkd resize` of its image"
	switch {
	case img.Zoned() != nil:
		return no("the kernel does not look at the zones of a disk in use again", offline)
	case d.cfg.ReadOnly:
		return no("it is served read-only", offline)
	case img.Header().BackingFile != "":
		return no("it is an overlay, and its backing file would show behind the end", offline)
	case !d.info.Flags.Has(ublk.FeatureUpdateSize):
		return no("this kernel's ublk driver has no UPDATE_SIZE, which Linux 6.16 and newer have, or the device is older than that", offline)
	case cmd.Size < img.VirtualSize():
		return no(fmt.Sprintf("it has %d bytes, and a disk in use may only become larger", img.VirtualSize()), offline)
	}
	if err := (edit.ResizeOptions{Size: cmd.Size}).Validate(img.Header()); err != nil {
		return err
	}
	return d.mayHandOver(cmd.State)
}

// resize answers the verb.
func (d *Device) resize(cmd command) reply {
	if err := d.mayResize(cmd); err != nil {
		return reply{Error: err.Error()}
	}
	return reply{end: true, then: func() {
		d.goOnce.Do(func() {
			d.growTo = cmd.Size
			close(d.leaving)
		})
	}}
}

// grow makes the image larger. The daemon is about to go, and has no request in its hands.
func (d *Device) grow(quiet bool) error {
	if !quiet {
		return fmt.Errorf("%s: %w: requests are still in flight", d.record.Node, ErrResize)
	}
	d.disk.Image().Abandon() // what it knows of the image ends here
	if err := edit.Resize(d.disk.File(), edit.ResizeOptions{Size: d.growTo}); err != nil {
		d.log.WithError(err).Error("the image could not be made larger")
		return fmt.Errorf("%s: %w", d.cfg.Image, err)
	}
	return nil
}

// tellSize tells the driver how large the disk is. That it can't makes the disk no worse than
// it was.
func (d *Device) tellSize() {
	img := d.disk.Image()
	if img.Zoned() != nil || !d.info.Flags.Has(ublk.FeatureUpdateSize) {
		return
	}
	if err := d.driver.UpdateSize(d.info.ID, engine.Params(img, d.cfg.ReadOnly).DevSectors); err != nil {
		d.log.WithError(err).WithField("device", d.record.Node).Error("the driver was not told of the disk's size")
	}
}

// Resize asks the daemon of device id to make its disk size bytes large, and to leave it to the
// next one. It returns the record of the daemon when that has ended, with the error that kept it
// from making the image larger; ended is false if it goes on.
func Resize(runDir string, id uint32, size uint64) (r Record, ended bool, err error) {
	if r, err = ReadRecord(runDir, id); err != nil {
		return r, false, errors.Join(err, NotOurs(runDir, id))
	}
	a, err := ask(runDir, id, command{Verb: "resize", State: statefile.Version, Size: size})
	if err != nil {
		if strings.HasPrefix(err.Error(), "unknown verb") {
			err = fmt.Errorf("%s: %w: its daemon is of an older program; `zqublkd upgrade %d` hands it over to this one", r.Node, ErrResize, id)
		}
		return r, false, err
	}
	if err := until(func() bool { return !r.daemon().lives() }, fmt.Sprintf("%s: its daemon, process %d, has not ended", r.Node, r.PID)); err != nil {
		return r, false, err
	}
	return r, true, a.farewell.last()
}

// WaitForSize waits until the disk of device id, as the kernel has it, has size bytes.
func WaitForSize(r Record, size uint64) error {
	return until(func() bool {
		now, err := ublk.DiskBytes(r.ID)
		return err == nil && now == size
	}, fmt.Sprintf("%s: the kernel has not heard of its new size, %d bytes; see its log", r.Node, size))
}

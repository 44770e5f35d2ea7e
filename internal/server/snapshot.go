// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"io/fs"
	"os"

	"zqublkd/internal/engine"
)

// A device may be a snapshot: its image is an overlay made for it, which is thrown
// away with it. Without recovery nobody opens the overlay a second time, so its name
// goes as soon as it is open, and however the daemon ends nothing is left. With
// recovery the next daemon needs the name; it goes when the device is deleted.

// allow are the names that are followed: an overlay of our own names the image.
func (c *Config) allow() engine.Allow {
	a := c.Allow
	a.Own = c.SnapshotOf != ""
	return a
}

// hideSnapshot takes the name of an overlay away that nobody opens again.
func (d *Device) hideSnapshot() error {
	if d.cfg.SnapshotOf == "" || d.cfg.Recovery != RecoveryOff {
		return nil
	}
	return os.Remove(d.cfg.Image)
}

// throwAway deletes the overlay of a device that is no more, unless something else
// has its name by now.
func (r Record) throwAway() error {
	if r.SnapshotOf == "" {
		return nil
	}
	switch id, err := imageAt(r.Image); {
	case errors.Is(err, fs.ErrNotExist) || err == nil && id != r.ImageID:
		return nil
	case err != nil:
		return err
	}
	return os.Remove(r.Image)
}

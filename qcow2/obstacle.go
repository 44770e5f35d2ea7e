// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"fmt"

	"zqublkd/qcow2/check"
	"zqublkd/qcow2/format"
)

// Use is what an image is opened for.
type Use uint8

// Uses. Whatever stops reading stops writing too.
const (
	UseRead Use = iota
	UseWrite
)

func (u Use) String() string { return [...]string{"reading", "writing"}[u] }

// Obstacle is a reason why an image can't be used for something.
type Obstacle struct {
	Stops Use
	Err   error
}

// Obstacles lists what stops uses of the image; an image opened without Lenient
// has none that stop what it was opened for.
func (i *Image) Obstacles() []Obstacle { return i.obstacles }

func (i *Image) refuse(stops Use, err error) {
	if err != nil {
		i.obstacles = append(i.obstacles, Obstacle{stops, err})
	}
}

// Refused returns the first reason against a use, nil if there is none.
func (i *Image) Refused(use Use) error {
	for _, r := range i.obstacles {
		if r.Stops <= use {
			return r.Err
		}
	}
	return nil
}

// judgeHeader collects what the fixed header fields stop.
func (i *Image) judgeHeader(o OpenOptions) {
	h := i.header
	for _, name := range format.NamesOf(h.FeatureNames(), format.FeatureIncompatible,
		uint64(h.Incompatible&^format.KnownIncompat)) {
		i.refuse(UseRead, &format.UnsupportedError{Feature: "incompatible feature " + name,
			WayOut: "use the program that set it"})
	}
	i.judgeNames(o)
	if h.CryptMethod != 0 {
		i.refuse(UseRead, &format.UnsupportedError{Feature: encryptionName(h.CryptMethod), WayOut: "convert the image with qemu-img to one without"})
	}
	i.judgeState()
}

// judgeNames: other files that the image names are there, and mean something.
func (i *Image) judgeNames(o OpenOptions) {
	h := i.header
	external := h.Incompatible&format.IncompatDataFile != 0
	switch {
	case external && i.isZoned():
		i.refuse(UseRead, &format.UnsupportedError{Feature: "a zoned image with an external data file", WayOut: "there is no way to use it"})
	case external && o.Data == nil:
		i.refuse(UseRead, &NotFollowedError{"external data file", h.DataFile(), "allow it with --allow-data-file"})
	}
	if h.BackingFile != "" && o.Base == nil && !o.NoData {
		i.refuse(UseRead, &NotFollowedError{"backing file", h.BackingFile, "allow it with --allow-backing"})
	}
}

func encryptionName(method uint32) string {
	switch method {
	case 1:
		return "AES encryption"
	case 2:
		return "LUKS encryption"
	}
	return fmt.Sprintf("encryption method %d", method)
}

// judgeState collects what stops writing only, snapshots of zoned images
// excepted: they don't cover the zone table. Nor do any cover a data file.
func (i *Image) judgeState() {
	h := i.header
	if h.SnapshotCount != 0 && (i.isZoned() || i.geo.External) {
		stops, of := UseWrite, "an image with an external data file"
		if i.isZoned() {
			stops, of = UseRead, "a zoned image"
		}
		i.refuse(stops, &format.UnsupportedError{Feature: fmt.Sprintf("%d internal snapshots of %s", h.SnapshotCount,
			of), WayOut: "delete them with qemu-img snapshot -d"})
	}
	if h.Incompatible&format.IncompatCorrupt != 0 {
		i.refuse(UseWrite, fmt.Errorf("%w: it is marked so (incompatible bit 1); open it read-only, or run check --repair all", format.ErrCorrupt))
	}
	if h.Incompatible&format.IncompatDirty != 0 {
		i.refuse(UseWrite, fmt.Errorf("%w (incompatible bit 0), so its refcounts may be stale; open it read-only, or run check --repair all", ErrDirty))
	}
}

// isZoned: by the bit or by the extension; that both agree is judged elsewhere.
func (i *Image) isZoned() bool {
	return i.header.Incompatible&format.IncompatZoned != 0 ||
		len(format.FindExtensions(i.header.Extensions, format.ExtZoned)) > 0
}

// JudgeWriting adds to the obstacles of an image opened read-only what opening it
// for writing would object to, and writes nothing. It looks at all metadata
// that is entered then, so it takes as long.
func (i *Image) JudgeWriting() {
	if i.Refused(UseRead) != nil {
		return
	}
	i.enterRegions()
	if i.refs != nil {
		i.refuse(UseWrite, i.refs.findTail())
	}
}

// WouldMend reports whether the dirty bit is all that keeps the image from being
// written, so that opening it for writing takes the bit off; the error says why
// that would fail.
func (i *Image) WouldMend() (bool, error) {
	if !i.leftDirty() {
		return false, nil
	}
	why, err := check.WouldRepairLeaks(i.file.File)
	if err == nil && why != "" {
		err = fmt.Errorf("%s: %w", why, ErrDirty)
	}
	return err == nil, err
}

// MarkedZoned reports whether the image says that it is zoned, whether or not
// it makes sense: Zoned is nil if it does not, and Obstacles say why.
func (i *Image) MarkedZoned() bool { return i.isZoned() }

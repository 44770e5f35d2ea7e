package qcow2

import "fmt"

// Use is what an image is opened for.
type Use uint8

// Uses. Whatever stops reading stops writing too.
const (
	UseRead Use = iota
	UseWrite
)

func (u Use) String() string { return [...]string{"reading", "writing"}[u] }

// Refusal is a reason why an image can't be used for something.
type Refusal struct {
	Stops Use
	Err   error
}

// Refusals lists what stops uses of the image; an image opened without Lenient
// has none that stop what it was opened for.
func (i *Image) Refusals() []Refusal { return i.refusals }

func (i *Image) refuse(stops Use, err error) {
	if err != nil {
		i.refusals = append(i.refusals, Refusal{stops, err})
	}
}

// refused is the first reason against a use.
func (i *Image) refused(use Use) error {
	for _, r := range i.refusals {
		if r.Stops <= use {
			return r.Err
		}
	}
	return nil
}

// judgeHeader collects what the fixed header fields stop.
func (i *Image) judgeHeader() {
	h := i.header
	for _, name := range namesOf(h.FeatureNames(), FeatureIncompatible, uint64(h.Incompatible&^knownIncompat)) {
		i.refuse(UseRead, &UnsupportedError{"incompatible feature " + name, "use the program that set it"})
	}
	if h.Incompatible&IncompatDataFile != 0 {
		i.refuse(UseRead, &UnsupportedError{"external data file", "convert the image with qemu-img to one without"})
	}
	if h.CryptMethod != 0 {
		i.refuse(UseRead, &UnsupportedError{encryptionName(h.CryptMethod), "convert the image with qemu-img to one without"})
	}
	if h.BackingFile != "" {
		i.refuse(UseRead, &UnsupportedError{fmt.Sprintf("backing file %q", h.BackingFile), "flatten the image with qemu-img convert"})
	}
	i.judgeState()
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
// excepted: they don't cover the zone table.
func (i *Image) judgeState() {
	h := i.header
	if h.SnapshotCount != 0 {
		stops := UseWrite
		if i.isZoned() {
			stops = UseRead
		}
		i.refuse(stops, &UnsupportedError{fmt.Sprintf("%d internal snapshots", h.SnapshotCount), "delete them with qemu-img snapshot -d"})
	}
	if h.Incompatible&IncompatCorrupt != 0 {
		i.refuse(UseWrite, fmt.Errorf("%w: it is marked so (incompatible bit 1); open it read-only, or run check --repair", ErrCorrupt))
	}
	if h.Incompatible&IncompatDirty != 0 {
		i.refuse(UseWrite, fmt.Errorf("%w (incompatible bit 0); open it read-only, or run check --repair", ErrDirty))
	}
}

// isZoned: by the bit or by the extension; that both agree is judged elsewhere.
func (i *Image) isZoned() bool {
	return i.header.Incompatible&IncompatZoned != 0 || len(findExtensions(i.header.Extensions, ExtZoned)) > 0
}

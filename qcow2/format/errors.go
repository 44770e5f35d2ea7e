// SPDX-License-Identifier: Apache-2.0

package format

import (
	"errors"
	"fmt"
)

// What can be wrong with the bytes of an image, or with what they shall say.
var (
	// ErrNotQcow2: the file does not start with the qcow2 magic.
	ErrNotQcow2 = errors.New("not a qcow2 image")

	// ErrTruncated: the file ends before something its header points to.
	ErrTruncated = errors.New("image file is truncated")

	// ErrUnsupported: the image uses a feature this package does not serve. The
	// error found by errors.As is an *UnsupportedError.
	ErrUnsupported = errors.New("not supported")

	// ErrCorrupt: metadata contradicts itself. The error found by errors.As is
	// a *CorruptError.
	ErrCorrupt = errors.New("image is corrupt")

	// ErrRange: offset or length lies outside the virtual disk.
	ErrRange = errors.New("range is outside the virtual disk")

	// ErrOption: Create was given options that contradict each other or the
	// format. The error found by errors.As is an *OptionError.
	ErrOption = errors.New("invalid option")
)

// CorruptError says which metadata is wrong, where, and why.
type CorruptError struct {
	What   string // "L2 entry", "refcount block", "zone table", ...
	Offset uint64 // byte offset in the image file
	Why    string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("image is corrupt: %s at byte %#x of the file %s", e.What, e.Offset, e.Why)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// Corrupt makes a CorruptError.
func Corrupt(what string, offset uint64, format string, args ...any) error {
	return &CorruptError{What: what, Offset: offset, Why: fmt.Sprintf(format, args...)}
}

// UnsupportedError names a feature of an image and what to do about it.
type UnsupportedError struct {
	Feature string
	WayOut  string
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: not supported; %s", e.Feature, e.WayOut)
}

// Is makes errors.Is(err, ErrUnsupported) true.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnsupported }

// OptionError names an option of Create, the value given and the rule it breaks.
type OptionError struct {
	Option string // spelled as qemu-img does: "zone.size"
	Value  any
	Rule   string
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("%s=%v: %s", e.Option, e.Value, e.Rule)
}

// Is makes errors.Is(err, ErrOption) true.
func (e *OptionError) Is(target error) bool { return target == ErrOption }

// IsCorrupt reports whether metadata was found to contradict itself.
func IsCorrupt(err error) bool { return errors.Is(err, ErrCorrupt) }

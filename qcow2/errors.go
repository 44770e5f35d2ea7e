package qcow2

import (
	"errors"
	"fmt"
)

// What can go wrong while an image is opened.
var (
	// ErrNotQcow2: the file does not start with the qcow2 magic.
	ErrNotQcow2 = errors.New("not a qcow2 image")

	// ErrTruncated: the file ends before something its header points to.
	ErrTruncated = errors.New("image file is truncated")

	// ErrUnsupported: the image uses a feature this package does not serve. The
	// error found by errors.As is an *UnsupportedError.
	ErrUnsupported = errors.New("not supported")

	// ErrNotFollowed: the image names another file, and nobody allowed to open
	// it. The error found by errors.As is a *NotFollowedError.
	ErrNotFollowed = errors.New("a name found in an image is not followed")

	// ErrDirty: incompatible bit 0 is set, refcounts may be stale.
	ErrDirty = errors.New("image was not closed cleanly")

	// ErrWrapped: the zone table holds write pointers cut to 32 bits.
	ErrWrapped = errors.New("zone table has wrapped write pointers")
)

// What can go wrong at any time.
var (
	// ErrCorrupt: metadata contradicts itself. The error found by errors.As is
	// a *CorruptError.
	ErrCorrupt = errors.New("image is corrupt")

	// ErrReadOnly: a modifying call on an image opened read-only.
	ErrReadOnly = errors.New("image is opened read-only")

	// ErrFailed: the image takes no more writes since an earlier error: a flush
	// that failed, after which nothing written since the last good Sync is known
	// to be durable; a write of metadata that failed for another reason than
	// want of space; or metadata found corrupt. It stays until reopen.
	ErrFailed = errors.New("image takes no more writes since an error")

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

func corrupt(what string, offset uint64, format string, args ...any) error {
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

// NotFollowedError names a file that an image refers to and that was not opened.
type NotFollowedError struct {
	What string // "backing file", "external data file"
	Name string // as it stands in the image
	Why  string // what keeps it from being opened, and the way out
}

func (e *NotFollowedError) Error() string {
	return fmt.Sprintf("%s %q, a name found in the image, is not followed: %s", e.What, e.Name, e.Why)
}

// Is makes errors.Is(err, ErrNotFollowed) true.
func (e *NotFollowedError) Is(target error) bool { return target == ErrNotFollowed }

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

func isCorrupt(err error) bool { return errors.Is(err, ErrCorrupt) }

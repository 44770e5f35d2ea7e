// SPDX-License-Identifier: Apache-2.0

package qcow2

import "fmt"

// ExtentKind says how a range of the virtual disk is stored.
type ExtentKind uint8

// Kinds of extents. The zero value is no extent at all.
const (
	// Outside: the offset lies past the end of the virtual disk.
	Outside ExtentKind = iota

	// Miss: the L2 table is not in memory; Resolve, then look again.
	Miss

	// Data: at Host in the file, exclusively ours: it may be read and written
	// there. A read that ends short at the end of the file reads zeros.
	Data

	// Shared: at Host in the file, but not known to be exclusively ours, or in
	// the file of a layer below, which never is: it may be read there; Ensure
	// before writing.
	Shared

	// Zero: reads as zeros, whether space is set aside for it or not; Ensure
	// before writing.
	Zero

	// Compressed: read it with ReadAt; Ensure before writing.
	Compressed

	// Corrupt: the map makes no sense here; every access fails.
	Corrupt

	// Absent: the image itself says nothing; its backing file does, and without
	// one it is zeros. LookupOwn returns it, Lookup never.
	Absent
)

var extentNames = [...]string{"outside", "miss", "data", "shared", "zero", "compressed", "corrupt", "absent"}

func (k ExtentKind) String() string {
	if int(k) < len(extentNames) {
		return extentNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Extent is a run of the virtual disk that is stored one way.
type Extent struct {
	Kind  ExtentKind
	Layer uint8  // who says so: 0 the image, 1 its backing file, 2 that one's, ...
	Host  uint64 // byte offset in Image.Layer's file; for Data and Shared
	Len   uint64 // bytes
}

// joins says whether next, which follows x on the virtual disk, continues it.
func (x Extent) joins(next Extent) bool {
	if x.Kind != next.Kind || x.Layer != next.Layer {
		return false
	}
	switch x.Kind {
	case Data, Shared:
		return x.Host+x.Len == next.Host
	case Zero, Absent:
		return true
	}
	return false
}

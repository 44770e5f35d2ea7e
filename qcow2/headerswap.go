// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"zqublkd/qcow2/format"
)

// replaceExtension puts e into the place of the extension of its type, or
// behind the others, durably.
func (i *Image) replaceExtension(e format.Extension) error {
	return i.replaceExtensions(replaced(i.header.Extensions, e))
}

// replaceExtensions makes next the list of extensions, durably. Whatever a
// crash leaves of it, in whatever order the sectors of the header get to the
// disk, the header has the old list or the new one. Where nothing but the first
// sector changes, that is one write. Else:
//
//  1. The new list is written behind the end marker, where nobody looks.
//  2. The first 8 bytes of the old list, which share a sector, become the
//     header of a void extension that reaches up to the new one: now it counts.
//  3. Its place is the start of the area: all but its first 8 bytes are written
//     into the void extension.
//  4. Then these 8 bytes take the place of the void extension.
//
// Each step is durable before the next begins.
func (i *Image) replaceExtensions(next []format.Extension) error {
	start, list, behind, err := i.planExtensions(next)
	if err != nil {
		return err
	}
	if behind == 0 {
		err := i.writeMeta(format.KindHeader, list[:min(uint64(len(list)), headerSector-start)], start)
		if err == nil {
			err = i.datasync()
		}
		i.header.Extensions = next
		return err
	}
	void := binary.BigEndian.AppendUint32(nil, uint32(format.ExtVoid))
	void = binary.BigEndian.AppendUint32(void, uint32(behind-start-format.ExtensionHeader))
	for _, step := range []struct {
		b  []byte
		at uint64
	}{{list, behind}, {void, start}, {list[format.ExtensionHeader:], start + format.ExtensionHeader},
		{list[:format.ExtensionHeader], start},
		{make([]byte, len(list)), behind}} {
		if err := i.writeMeta(format.KindHeader, step.b, step.at); err != nil {
			return err
		}
		if err := i.datasync(); err != nil {
			return err
		}
	}
	i.header.Extensions = next
	return nil
}

// SetBacking names another backing file, durably and at once: a crash leaves the old name or
// the new one, each with its format. An empty name stands for none. Nothing but the name
// changes: whether the disk still is what it was is up to the caller.
func (i *Image) SetBacking(name, kind string) error {
	if err := i.mayWrite(); err != nil {
		return err
	}
	if name == "" {
		kind = ""
	} else {
		if err := (&BackingOptions{Name: name, Format: kind}).validate(); err != nil {
			return err
		}
	}
	next := withFormat(i.header.Extensions, kind)
	start, list := i.header.Length(), format.AppendExtensions(nil, next)
	if whole, err := i.inFirstSector(start, list); err != nil {
		return err
	} else if !whole {
		return &format.UnsupportedError{Feature: "another format of the backing file in a header as full as this", WayOut: "zqublkd convert, or qemu-img convert, writes an image that stands alone"}
	}
	at, err := i.roomForName(name, start+uint64(len(list)))
	if err != nil {
		return err
	}
	if name != "" {
		if err := i.writeMeta(format.KindHeader, []byte(name), at); err != nil {
			return err
		}
		if err := i.datasync(); err != nil {
			return err
		}
	}
	sector := make([]byte, min(headerSector, i.geo.ClusterSize()))
	if err := i.file.read(sector, 0); err != nil {
		return err
	}
	binary.BigEndian.PutUint64(sector[8:], at)
	binary.BigEndian.PutUint32(sector[16:], uint32(len(name)))
	copy(sector[start:], list)
	if err := i.writeMeta(format.KindHeader, sector, 0); err != nil {
		return err
	}
	if err := i.datasync(); err != nil {
		return err
	}
	i.header, err = format.ReadHeader(i.file.read, i.file.length.Load())
	return err
}

// roomForName is where in the header's cluster a name can go: behind the extensions, which
// end at byte end at most, and not over the old name. 0 for no name.
func (i *Image) roomForName(name string, end uint64) (at uint64, err error) {
	if name == "" {
		return 0, nil
	}
	n, cluster := uint64(len(name)), i.geo.ClusterSize()
	end = max(end, i.header.Length()+uint64(len(format.AppendExtensions(nil, i.header.Extensions))))
	old := i.header.ExtensionsEnd() // where the old name begins
	oldEnd := old + uint64(len(i.header.BackingFile))
	for _, at := range []uint64{cluster - min(n, cluster), old - min(n, old), oldEnd} {
		if at >= end && at+n <= cluster && (at+n <= old || at >= oldEnd) {
			return at, nil
		}
	}
	return 0, &format.UnsupportedError{Feature: fmt.Sprintf("a name of %d bytes in a header of %d", n, cluster), WayOut: "give a shorter path, or convert the image to a larger cluster_size"}
}

// withFormat is the list with another format of the backing file, empty for none; all else
// stays in its place, if that can be.
func withFormat(list []format.Extension, kind string) []format.Extension {
	was, next := format.ExtBackingFormat, format.Extension{Type: format.ExtBackingFormat, Data: []byte(kind)}
	if kind == "" {
		next.Type = format.ExtVoid
	}
	if !slices.ContainsFunc(list, func(e format.Extension) bool { return e.Type == was }) {
		if kind == "" {
			return list
		}
		was = format.ExtVoid // of the one that was there
	}
	list = slices.Clone(list)
	for k, e := range list {
		if e.Type == was && (was == format.ExtBackingFormat || len(e.Data) <= 8) { // as long, with its padding
			if kind == "" {
				next.Data = e.Data
			}
			list[k] = next
			return list
		}
	}
	return append(list, next)
}

// headerSector is what a disk writes whole or not at all, in bytes.
const headerSector = 512

// planExtensions is the byte the list of extensions starts at, what is to be
// there, and the byte behind both the old and the new one where the new one is
// put first; 0 if one write of the first sector does it all. The error says that
// there is no room.
func (i *Image) planExtensions(next []format.Extension) (start uint64, list []byte, behind uint64, err error) {
	start, list = i.header.Length(), format.AppendExtensions(nil, next)
	whole, err := i.inFirstSector(start, list)
	if err != nil || whole {
		return start, list, 0, err
	}
	behind = start + max(uint64(len(list)), uint64(len(format.AppendExtensions(nil, i.header.Extensions))))
	if behind+uint64(len(list)) > i.header.ExtensionsEnd() {
		name := i.geo.ClusterSize() - i.header.ExtensionsEnd() // of the backing file, and what is behind it
		err = &format.UnsupportedError{Feature: fmt.Sprintf("a header of %d bytes in a cluster of %d", behind+uint64(len(list))+name, i.geo.ClusterSize()),
			WayOut: "it takes fewer runs of zones that are read-only or offline, or an image with a larger cluster_size"}
	}
	return start, list, behind, err
}

// inFirstSector tells if nothing behind the first sector would change.
func (i *Image) inFirstSector(start uint64, list []byte) (bool, error) {
	if start >= headerSector {
		return false, nil
	}
	if start+uint64(len(list)) > i.header.ExtensionsEnd() {
		return false, nil
	}
	if start+uint64(len(list)) <= headerSector {
		return true, nil
	}
	tail := list[headerSector-start:]
	if uint64(len(tail)) > i.geo.ClusterSize()-headerSector {
		return false, nil
	}
	old := make([]byte, len(tail))
	err := i.file.read(old, headerSector)
	return bytes.Equal(old, tail), err
}

// replaced is the list with e in it, and without the void of an earlier
// replacement that a crash has cut short.
func replaced(list []format.Extension, e format.Extension) []format.Extension {
	var next []format.Extension
	done := false
	for _, old := range list {
		switch {
		case old.Type == format.ExtVoid:
		case old.Type == e.Type:
			next, done = append(next, e), true
		default:
			next = append(next, old)
		}
	}
	if !done {
		next = append(next, e)
	}
	return next
}

// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"
	"fmt"

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
		err := i.writeMeta(regionHeader, list[:min(uint64(len(list)), headerSector-start)], start)
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
		if err := i.writeMeta(regionHeader, step.b, step.at); err != nil {
			return err
		}
		if err := i.datasync(); err != nil {
			return err
		}
	}
	i.header.Extensions = next
	return nil
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

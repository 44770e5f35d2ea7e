package qcow2

import (
	"encoding/binary"
	"fmt"
)

// replaceExtension puts e into the place of the extension of its type, or
// behind the others, durably. Whatever a crash leaves of it, in whatever order
// the sectors of the header get to the disk, the header has the old list or the
// new one:
//
//  1. The new list is written behind the end marker, where nobody looks.
//  2. The first 8 bytes of the old list, which share a sector, become the
//     header of a void extension that reaches up to the new one: now it counts.
//  3. Its place is the start of the area: all but its first 8 bytes are written
//     into the void extension.
//  4. Then these 8 bytes take the place of the void extension.
//
// Each step is durable before the next begins.
func (i *Image) replaceExtension(e Extension) error {
	next := replaced(i.header.Extensions, e)
	start := i.header.length
	list := appendExtensions(nil, next)
	behind := start + max(uint64(len(list)), uint64(len(appendExtensions(nil, i.header.Extensions))))
	if behind+uint64(len(list)) > i.geo.clusterSize() {
		return &UnsupportedError{fmt.Sprintf("a header of %d bytes in a cluster of %d", behind+uint64(len(list)), i.geo.clusterSize()),
			"it takes fewer runs of zones, or an image with a larger cluster_size"}
	}
	void := binary.BigEndian.AppendUint32(nil, uint32(ExtVoid))
	void = binary.BigEndian.AppendUint32(void, uint32(behind-start-extensionHeader))
	for _, step := range []struct {
		b  []byte
		at uint64
	}{{list, behind}, {void, start}, {list[extensionHeader:], start + extensionHeader}, {list[:extensionHeader], start},
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

// replaced is the list with e in it, and without the void of an earlier
// replacement that a crash has cut short.
func replaced(list []Extension, e Extension) []Extension {
	var next []Extension
	done := false
	for _, old := range list {
		switch {
		case old.Type == ExtVoid:
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

// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"encoding/binary"

	"zqublkd/qcow2/format"
)

// markBitmaps marks every bitmap as in use: their clusters stay counted and their
// names known, unlike with bitmaps dropped as a whole. It is false where the
// directory makes no sense.
func (i *Image) markBitmaps() (bool, error) {
	found := format.FindExtensions(i.header.Extensions, format.ExtBitmaps)
	if len(found) != 1 || len(found[0]) < format.BitmapExtension {
		return false, nil
	}
	count := binary.BigEndian.Uint32(found[0])
	n, at := binary.BigEndian.Uint64(found[0][8:]), binary.BigEndian.Uint64(found[0][16:])
	if count > format.MaxBitmaps || n > format.MaxBitmapDir || i.geo.InCluster(at) != 0 ||
		i.regions.add(format.KindBitmaps, at, n) != nil {
		return false, nil
	}
	dir := make([]byte, n)
	if i.readTable("bitmap directory", dir, at) != nil {
		return false, nil
	}
	for range count {
		length := format.BitmapEntryLength(dir)
		if length == 0 {
			return false, nil
		}
		flags := binary.BigEndian.Uint32(dir[format.BitmapFlags:]) | format.BitmapInUse
		if err := i.writeMeta(format.KindBitmaps, binary.BigEndian.AppendUint32(nil, flags),
			at+format.BitmapFlags); err != nil {
			return false, err
		}
		dir, at = dir[length:], at+length
	}
	return true, nil
}

// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// ZoneReader looks up entries, and reads their neighbours along.
type ZoneReader struct {
	ZoneTable
	first uint32 // zone of the first of words
	words []uint64
	raw   []byte
}

const zonesAhead = 8192 // entries read at once

// Entry is that of zone k, which must exist.
func (r *ZoneReader) Entry(k uint32) (ZoneEntry, error) {
	if k-r.first >= uint32(len(r.words)) { // below first, too
		if err := r.fetch(k); err != nil {
			return ZoneEntry{}, err
		}
	}
	return r.Decode(k, r.words[k-r.first]), nil
}

// fetch reads the entries of zone k and its neighbours.
func (r *ZoneReader) fetch(k uint32) error {
	r.first = k - k%zonesAhead
	n := int(min(zonesAhead, r.Info.Zones-r.first))
	r.raw, r.words = slices.Grow(r.raw[:0], n*ZoneEntrySize)[:n*ZoneEntrySize], r.words[:0]
	if err := r.read(r.raw, r.Info.TableOffset+uint64(r.first)*ZoneEntrySize); err != nil {
		return err
	}
	r.words = slices.Grow(r.words, n)[:n]
	for k := range r.words {
		r.words[k] = binary.LittleEndian.Uint64(r.raw[k*ZoneEntrySize:])
		if r.BigEndian() {
			r.words[k] = bits.ReverseBytes64(r.words[k])
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// ZoneCounters are what has been done to a sequential zone since the image was made.
type ZoneCounters struct {
	Resets    uint64 `json:"resets"`    // that emptied it
	Finishes  uint64 `json:"finishes"`  // that made it full
	Bytes     uint64 `json:"bytes"`     // written, appended ones too
	Appends   uint64 `json:"appends"`   // requests
	Evictions uint64 `json:"evictions"` // times it was closed because its open slot was needed elsewhere
}

// Add adds those of another zone.
func (c *ZoneCounters) Add(o ZoneCounters) {
	c.Resets += o.Resets
	c.Finishes += o.Finishes
	c.Bytes += o.Bytes
	c.Appends += o.Appends
	c.Evictions += o.Evictions
}

// CounterBytes is the size of a zone's entry in the counter table: big-endian u64
// resets, finishes, bytes, appends, evictions, 20 bytes of zeros, and the CRC-32C of
// all that and the zone's number (u32). An entry of zeros counts nothing. It lies
// within one sector, so that no crash leaves a part of it.
const CounterBytes = 64

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is the checksum of an entry.
func sumOf(b []byte, zone uint32) uint32 {
	number := binary.BigEndian.AppendUint32(nil, zone)
	return crc32.Update(crc32.Checksum(b[:CounterBytes-4], castagnoli), castagnoli, number)
}

// Encode is the entry of a zone.
func (c ZoneCounters) Encode(zone uint32) []byte {
	b := make([]byte, 0, CounterBytes)
	for _, v := range []uint64{c.Resets, c.Finishes, c.Bytes, c.Appends, c.Evictions} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	b = append(b, make([]byte, CounterBytes-4-len(b))...)
	return binary.BigEndian.AppendUint32(b, sumOf(b[:CounterBytes-4], zone))
}

// DecodeCounters reads the entry of a zone.
func DecodeCounters(b []byte, zone uint32) (c ZoneCounters, err error) {
	stored := binary.BigEndian.Uint32(b[CounterBytes-4:])
	for k, v := range []*uint64{&c.Resets, &c.Finishes, &c.Bytes, &c.Appends, &c.Evictions} {
		*v = binary.BigEndian.Uint64(b[k*8:])
	}
	if stored == 0 && IsZero(b[:CounterBytes]) || stored == sumOf(b, zone) {
		return c, nil
	}
	return ZoneCounters{}, fmt.Errorf("the counters of zone %d have a wrong checksum: %w", zone, ErrCorrupt)
}

// parseCounters reads the record that says where the counter table is.
func parseCounters(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("private extension has a counter record of %d bytes: %w", len(b), ErrCorrupt)
	}
	off := binary.BigEndian.Uint64(b)
	if off == 0 {
		return 0, fmt.Errorf("private extension puts the counter table at 0: %w", ErrCorrupt)
	}
	return off, nil
}

// CountersFit says what is wrong with a counter table at off in a file of so many bytes.
func CountersFit(off uint64, z *ZonedInfo, clusterSize, fileSize uint64) error {
	switch {
	case z == nil:
		return fmt.Errorf("a plain image has a counter table: %w", ErrCorrupt)
	case off%clusterSize != 0:
		return Corrupt("counter table", off, "does not start on a cluster")
	case off > fileSize || uint64(z.Zones)*CounterBytes > fileSize-off:
		return Corrupt("counter table", off, "lies past the end of the file")
	}
	return nil
}

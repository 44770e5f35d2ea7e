// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"fmt"
)

// Encode returns the first cluster of the image, everything unknown included.
// The backing file name, if any, moves to the end of it, where extensions have room
// to grow.
func (h *Header) Encode() ([]byte, error) {
	b := h.encodeFixed()
	b = AppendExtensions(b, h.Extensions)
	if h.BackingFile != "" {
		binary.BigEndian.PutUint64(b[8:], h.ClusterSize()-uint64(len(h.BackingFile)))
		binary.BigEndian.PutUint32(b[16:], uint32(len(h.BackingFile)))
	}
	if need := uint64(len(b) + len(h.BackingFile)); need > h.ClusterSize() {
		return nil, fmt.Errorf("header needs %d bytes and its cluster has %d: use a larger cluster_size", need, h.ClusterSize())
	}
	b = append(b, make([]byte, h.ClusterSize()-uint64(len(b)))...)
	copy(b[h.ClusterSize()-uint64(len(h.BackingFile)):], h.BackingFile)
	return b, nil
}

func (h *Header) encodeFixed() []byte {
	be := binary.BigEndian
	b := make([]byte, headerV2Length, h.ClusterSize())
	be.PutUint32(b, Magic)
	be.PutUint32(b[4:], h.Version)
	be.PutUint32(b[20:], h.ClusterBits)
	be.PutUint64(b[24:], h.Size)
	be.PutUint32(b[32:], h.CryptMethod)
	be.PutUint32(b[36:], h.L1Size)
	be.PutUint64(b[40:], h.L1TableOffset)
	be.PutUint64(b[RefTableField:], h.RefcountTableOffset)
	be.PutUint32(b[RefTableField+8:], h.RefcountTableClusters)
	be.PutUint32(b[60:], h.SnapshotCount)
	be.PutUint64(b[64:], h.SnapshotsOffset)
	if h.Version == 2 {
		return b
	}
	return h.appendV3(b)
}

func (h *Header) appendV3(b []byte) []byte {
	be := binary.BigEndian
	rest := h.rest
	if len(rest) == 0 {
		rest = make([]byte, HeaderLength-105)
	}
	b = be.AppendUint64(b, uint64(h.Incompatible))
	b = be.AppendUint64(b, uint64(h.Compatible))
	b = be.AppendUint64(b, uint64(h.Autoclear))
	b = be.AppendUint32(b, h.RefcountOrder)
	b = be.AppendUint32(b, uint32(105+len(rest)))
	b = append(b, byte(h.Compression))
	return append(b, rest...)
}

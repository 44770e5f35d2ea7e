// SPDX-License-Identifier: Apache-2.0

package format

import (
	"encoding/binary"
	"time"
)

// Limits in bytes, as QEMU has them.
const (
	MaxSnapshotExtra = 1024
	maxSnapshotID    = 127
	maxSnapshotName  = 255
)

// Snapshot is an entry of the snapshot table: the disk as it was once (qcow2
// specification, "Snapshots").
type Snapshot struct {
	ID, Name string // as long as QEMU lets them be, the rest is cut off
	Date     time.Time
	VMClock  time.Duration // of the guest, since its start
	VMState  uint64        // bytes of the guest's memory and devices
	DiskSize uint64        // bytes; 0 if not recorded

	L1Offset uint64
	L1Size   uint32 // entries
}

// Snapshots (qcow2 specification, "Snapshots"; limits as QEMU has them).
const (
	SnapshotFixed    = 40 // bytes
	SnapshotExtra    = 16 // bytes that version 3 requires behind them
	MaxSnapshots     = 65536
	MaxSnapshotBytes = 64 << 20
)

// SnapshotLength is the length in bytes of an entry that begins with b.
func SnapshotLength(b []byte) uint64 {
	be := binary.BigEndian
	return SnapshotFixed + uint64(be.Uint32(b[36:])) + uint64(be.Uint16(b[12:])) + uint64(be.Uint16(b[14:]))
}

// ParseSnapshot decodes an entry of SnapshotLength bytes.
func ParseSnapshot(b []byte) Snapshot {
	be := binary.BigEndian
	s := Snapshot{
		L1Offset: be.Uint64(b), L1Size: be.Uint32(b[8:]), VMState: uint64(be.Uint32(b[32:])),
		Date:    time.Unix(int64(be.Uint32(b[16:])), int64(be.Uint32(b[20:]))).UTC(),
		VMClock: time.Duration(be.Uint64(b[24:])),
	}
	extra := b[SnapshotFixed:][:be.Uint32(b[36:])]
	if len(extra) >= SnapshotExtra {
		s.VMState, s.DiskSize = be.Uint64(extra), be.Uint64(extra[8:])
	}
	id := uint64(be.Uint16(b[12:]))
	names := b[SnapshotFixed+len(extra):]
	s.ID, s.Name = string(names[:min(id, maxSnapshotID)]), string(names[id:][:min(len(names)-int(id), maxSnapshotName)])
	return s
}

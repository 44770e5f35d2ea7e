package qcow2

import (
	"encoding/binary"
	"time"
)

// Limits in bytes, as QEMU has them.
const (
	maxSnapshotExtra = 1024
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

	l1Offset uint64
	l1Size   uint32 // entries
}

// Snapshots (qcow2 specification, "Snapshots"; limits as QEMU has them).
const (
	snapshotFixed    = 40 // bytes
	snapshotExtra    = 16 // bytes that version 3 requires behind them
	maxSnapshots     = 65536
	maxSnapshotBytes = 64 << 20
)

// snapshotLength is the length in bytes of an entry that begins with b.
func snapshotLength(b []byte) uint64 {
	be := binary.BigEndian
	return snapshotFixed + uint64(be.Uint32(b[36:])) + uint64(be.Uint16(b[12:])) + uint64(be.Uint16(b[14:]))
}

// parseSnapshot decodes an entry of snapshotLength bytes.
func parseSnapshot(b []byte) Snapshot {
	be := binary.BigEndian
	s := Snapshot{
		l1Offset: be.Uint64(b), l1Size: be.Uint32(b[8:]), VMState: uint64(be.Uint32(b[32:])),
		Date:    time.Unix(int64(be.Uint32(b[16:])), int64(be.Uint32(b[20:]))).UTC(),
		VMClock: time.Duration(be.Uint64(b[24:])),
	}
	extra := b[snapshotFixed:][:be.Uint32(b[36:])]
	if len(extra) >= snapshotExtra {
		s.VMState, s.DiskSize = be.Uint64(extra), be.Uint64(extra[8:])
	}
	id := uint64(be.Uint16(b[12:]))
	names := b[snapshotFixed+len(extra):]
	s.ID, s.Name = string(names[:min(id, maxSnapshotID)]), string(names[id:][:min(len(names)-int(id), maxSnapshotName)])
	return s
}

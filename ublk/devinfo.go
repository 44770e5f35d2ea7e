// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"fmt"
)

// devInfoBytes is the size of struct ublksrv_ctrl_dev_info.
const devInfoBytes = 64

// DevState is a device's state (UBLK_S_DEV_*).
type DevState uint16

// Device states, include/uapi/linux/ublk_cmd.h.
const (
	StateDead     DevState = 0
	StateLive     DevState = 1
	StateQuiesced DevState = 2 // its server is gone, requests wait for a new one
	StateFailIO   DevState = 3 // its server is gone, requests fail (6.13)
)

// String is the state's name.
func (s DevState) String() string {
	switch s {
	case StateDead:
		return "DEAD"
	case StateLive:
		return "LIVE"
	case StateQuiesced:
		return "QUIESCED"
	case StateFailIO:
		return "FAIL_IO"
	}
	return fmt.Sprintf("STATE_%d", uint16(s))
}

// DevInfo is struct ublksrv_ctrl_dev_info (include/uapi/linux/ublk_cmd.h): a device as the driver
// knows it.
type DevInfo struct {
	Queues     uint16 // hardware queues, at most the number of CPUs
	Depth      uint16 // tags of each queue
	State      DevState
	DescBytes  uint16 // size of a request descriptor, 0 where the driver doesn't say (before 7.3)
	MaxIOBytes uint32 // largest request, whole pages
	ID         uint32
	ServerPID  int32    // process that opened the char device; Linux 7.3 says -1 once it is dead, 6.12 keeps the number
	Flags      Features // as granted: drivers drop what they don't know without an error
	UserFlags  uint64   // kept by the driver for servers, never used by it
	OwnerUID   uint32
	OwnerGID   uint32
}

// encode lays the structure out in 64 bytes.
func (d *DevInfo) encode(b []byte) {
	_ = b[devInfoBytes-1]
	clear(b[:devInfoBytes])
	e := binary.NativeEndian
	e.PutUint16(b[0:], d.Queues)
	e.PutUint16(b[2:], d.Depth)
	e.PutUint16(b[4:], uint16(d.State))
	e.PutUint16(b[6:], d.DescBytes)
	e.PutUint32(b[8:], d.MaxIOBytes)
	e.PutUint32(b[12:], d.ID)
	e.PutUint32(b[16:], uint32(d.ServerPID))
	e.PutUint64(b[24:], uint64(d.Flags))
	e.PutUint64(b[32:], d.UserFlags)
	e.PutUint32(b[40:], d.OwnerUID)
	e.PutUint32(b[44:], d.OwnerGID)
}

// DecodeDevInfo reads the structure from its 64 bytes.
func DecodeDevInfo(b []byte) (DevInfo, error) {
	if len(b) < devInfoBytes {
		return DevInfo{}, fmt.Errorf("device info: %d bytes, need %d", len(b), devInfoBytes)
	}
	e := binary.NativeEndian
	return DevInfo{
		Queues: e.Uint16(b[0:]), Depth: e.Uint16(b[2:]), State: DevState(e.Uint16(b[4:])), DescBytes: e.Uint16(b[6:]),
		MaxIOBytes: e.Uint32(b[8:]), ID: e.Uint32(b[12:]), ServerPID: int32(e.Uint32(b[16:])),
		Flags: Features(e.Uint64(b[24:])), UserFlags: e.Uint64(b[32:]), OwnerUID: e.Uint32(b[40:]),
		OwnerGID: e.Uint32(b[44:]),
	}, nil
}

// MaxSectors is the largest request in sectors of 512 bytes.
func (d DevInfo) MaxSectors() uint32 { return d.MaxIOBytes / SectorBytes }

// CharPath is the path of the device's char node, which its server opens.
func (d DevInfo) CharPath() string { return CharPath(d.ID) }

// BlockPath is the path of the disk.
func (d DevInfo) BlockPath() string { return BlockPath(d.ID) }

// String is the device in one line.
func (d DevInfo) String() string {
	return fmt.Sprintf("ublk device %d: %s, %d queues of %d, requests up to %d bytes, server pid %d, %s",
		d.ID, d.State, d.Queues, d.Depth, d.MaxIOBytes, d.ServerPID, d.Flags)
}

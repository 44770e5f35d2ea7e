// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"encoding/binary"
	"fmt"
)

// Control commands (UBLK_U_CMD_*, include/uapi/linux/ublk_cmd.h), encoded like ioctls of type 'u'
// and size 32.
const (
	cmdGetQueueAffinity  = 0x80207501
	cmdGetDevInfo        = 0x80207502
	cmdAddDev            = 0xc0207504
	cmdDelDev            = 0xc0207505
	cmdStartDev          = 0xc0207506
	cmdStopDev           = 0xc0207507
	cmdSetParams         = 0xc0207508
	cmdGetParams         = 0x80207509
	cmdStartUserRecovery = 0xc0207510
	cmdEndUserRecovery   = 0xc0207511
	cmdGetDevInfo2       = 0x80207512
	cmdGetFeatures       = 0x80207513 // Linux 6.5
	cmdDelDevAsync       = 0x80207514
	cmdUpdateSize        = 0xc0207515 // Linux 6.16; never for zoned disks: zones are not looked at again
	cmdQuiesceDev        = 0xc0207516 // Linux 6.16
)

var cmdNames = map[uint32]string{
	cmdGetQueueAffinity: "GET_QUEUE_AFFINITY", cmdGetDevInfo: "GET_DEV_INFO", cmdAddDev: "ADD_DEV",
	cmdDelDev:   "DEL_DEV",
	cmdStartDev: "START_DEV", cmdStopDev: "STOP_DEV", cmdSetParams: "SET_PARAMS", cmdGetParams: "GET_PARAMS",
	cmdStartUserRecovery: "START_USER_RECOVERY", cmdEndUserRecovery: "END_USER_RECOVERY",
	cmdGetDevInfo2: "GET_DEV_INFO2",
	cmdGetFeatures: "GET_FEATURES", cmdDelDevAsync: "DEL_DEV_ASYNC", cmdUpdateSize: "UPDATE_SIZE",
	cmdQuiesceDev: "QUIESCE_DEV",
}

// cmdName is the driver's name of a control command.
func cmdName(op uint32) string {
	if s, ok := cmdNames[op]; ok {
		return s
	}
	return fmt.Sprintf("command %#x", op)
}

// I/O commands (UBLK_U_IO_*), size 16.
const (
	ioFetch          = 0xc0107520
	ioCommitAndFetch = 0xc0107521
)

// anyID as a device number stands for none, or for any.
const anyID = ^uint32(0)

// noQueue is the queue number of commands that name none.
const noQueue = ^uint16(0)

// ctrlCmdBytes is the size of struct ublksrv_ctrl_cmd.
const ctrlCmdBytes = 32

// ctrlCmd is struct ublksrv_ctrl_cmd, the payload of a control command.
type ctrlCmd struct {
	devID uint32
	queue uint16
	len   uint16 // bytes at addr
	addr  uint64
	data  uint64
}

// encode lays the command out in the payload of an SQE.
func (c *ctrlCmd) encode(b []byte) {
	_ = b[ctrlCmdBytes-1]
	e := binary.NativeEndian
	e.PutUint32(b[0:], c.devID)
	e.PutUint16(b[4:], c.queue)
	e.PutUint16(b[6:], c.len)
	e.PutUint64(b[8:], c.addr)
	e.PutUint64(b[16:], c.data)
	clear(b[24:ctrlCmdBytes])
}

// ioCmd is struct ublksrv_io_cmd, 16 bytes: the payload of a tag's command.
type ioCmd struct {
	queue  uint16
	tag    uint16
	result int32
	addr   uint64 // for a committed ZONE_APPEND the sector the data went to (zone_append_lba), else 0
}

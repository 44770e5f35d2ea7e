// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"fmt"
	"strings"
)

// Op is the operation of a request (UBLK_IO_OP_*).
type Op uint8

// Operations, include/uapi/linux/ublk_cmd.h.
const (
	OpRead         Op = 0
	OpWrite        Op = 1
	OpFlush        Op = 2
	OpDiscard      Op = 3
	OpWriteSame    Op = 4 // never sent by the driver
	OpWriteZeroes  Op = 5
	OpZoneOpen     Op = 10
	OpZoneClose    Op = 11
	OpZoneFinish   Op = 12
	OpZoneAppend   Op = 13
	OpZoneResetAll Op = 14
	OpZoneReset    Op = 15
	OpReportZones  Op = 18
)

var opNames = map[Op]string{
	OpRead: "READ", OpWrite: "WRITE", OpFlush: "FLUSH", OpDiscard: "DISCARD", OpWriteSame: "WRITE_SAME",
	OpWriteZeroes: "WRITE_ZEROES", OpZoneOpen: "ZONE_OPEN", OpZoneClose: "ZONE_CLOSE", OpZoneFinish: "ZONE_FINISH",
	OpZoneAppend: "ZONE_APPEND", OpZoneResetAll: "ZONE_RESET_ALL", OpZoneReset: "ZONE_RESET",
	OpReportZones: "REPORT_ZONES",
}

// String is the kernel's name without its prefix, OP_n for an unknown one.
func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return fmt.Sprintf("OP_%d", uint8(o))
}

// TakesData says that the server copies data out of the request.
func (o Op) TakesData() bool { return o == OpWrite || o == OpZoneAppend }

// GivesData says that the server copies data into the request.
func (o Op) GivesData() bool { return o == OpRead || o == OpReportZones }

// Zone says whether the operation acts on zones as a whole.
func (o Op) Zone() bool { return o >= OpZoneOpen && o <= OpReportZones && o != OpZoneAppend }

// OpFlags are the bits of a request beside its operation (UBLK_IO_F_*), at their place in the
// descriptor's word.
type OpFlags uint32

// Request flags, include/uapi/linux/ublk_cmd.h.
const (
	FlagFailfastDev       OpFlags = 1 << 8
	FlagFailfastTransport OpFlags = 1 << 9
	FlagFailfastDriver    OpFlags = 1 << 10
	FlagMeta              OpFlags = 1 << 11
	FlagFUA               OpFlags = 1 << 13
	FlagNoUnmap           OpFlags = 1 << 15
	FlagSwap              OpFlags = 1 << 16
	FlagNeedRegBuf        OpFlags = 1 << 17
	FlagIntegrity         OpFlags = 1 << 18
	FlagShmemZeroCopy     OpFlags = 1 << 19
)

var opFlagNames = [...]struct {
	flag OpFlags
	name string
}{
	{FlagFailfastDev, "FAILFAST_DEV"}, {FlagFailfastTransport, "FAILFAST_TRANSPORT"},
	{FlagFailfastDriver, "FAILFAST_DRIVER"},
	{FlagMeta, "META"}, {FlagFUA, "FUA"}, {FlagNoUnmap, "NOUNMAP"}, {FlagSwap, "SWAP"},
	{FlagNeedRegBuf, "NEED_REG_BUF"},
	{FlagIntegrity, "INTEGRITY"}, {FlagShmemZeroCopy, "SHMEM_ZC"},
}

// String lists the flags joined with '|', the unknown rest in hex; empty for none.
func (f OpFlags) String() string {
	var names []string
	for _, n := range opFlagNames {
		if f&n.flag != 0 {
			names = append(names, n.name)
			f &^= n.flag
		}
	}
	if f != 0 {
		names = append(names, fmt.Sprintf("%#x", uint32(f)))
	}
	return strings.Join(names, "|")
}

// SPDX-License-Identifier: Apache-2.0

package ublk

import (
	"fmt"
	"math/bits"
	"strings"
)

// Features is a set of UBLK_F_* bits: what the driver can do, or what a device was made with.
type Features uint64

// Feature flags, include/uapi/linux/ublk_cmd.h.
const (
	FeatureZeroCopy        Features = 1 << 0  // UBLK_F_SUPPORT_ZERO_COPY
	FeatureCompInTask      Features = 1 << 1  // UBLK_F_URING_CMD_COMP_IN_TASK
	FeatureNeedGetData     Features = 1 << 2  // UBLK_F_NEED_GET_DATA
	FeatureRecovery        Features = 1 << 3  // UBLK_F_USER_RECOVERY
	FeatureRecoveryReissue Features = 1 << 4  // UBLK_F_USER_RECOVERY_REISSUE
	FeatureUnprivileged    Features = 1 << 5  // UBLK_F_UNPRIVILEGED_DEV
	FeatureIoctlEncode     Features = 1 << 6  // UBLK_F_CMD_IOCTL_ENCODE
	FeatureUserCopy        Features = 1 << 7  // UBLK_F_USER_COPY
	FeatureZoned           Features = 1 << 8  // UBLK_F_ZONED
	FeatureRecoveryFailIO  Features = 1 << 9  // UBLK_F_USER_RECOVERY_FAIL_IO
	FeatureUpdateSize      Features = 1 << 10 // UBLK_F_UPDATE_SIZE
	FeatureAutoBufReg      Features = 1 << 11 // UBLK_F_AUTO_BUF_REG
	FeatureQuiesce         Features = 1 << 12 // UBLK_F_QUIESCE
	FeaturePerIODaemon     Features = 1 << 13 // UBLK_F_PER_IO_DAEMON
	FeatureBufRegOffDaemon Features = 1 << 14 // UBLK_F_BUF_REG_OFF_DAEMON
	FeatureBatchIO         Features = 1 << 15 // UBLK_F_BATCH_IO
	FeatureIntegrity       Features = 1 << 16 // UBLK_F_INTEGRITY
	FeatureSafeStop        Features = 1 << 17 // UBLK_F_SAFE_STOP_DEV
	FeatureNoAutoPartScan  Features = 1 << 18 // UBLK_F_NO_AUTO_PART_SCAN
	FeatureShmemZeroCopy   Features = 1 << 19 // UBLK_F_SHMEM_ZC
	FeatureIODescSize      Features = 1 << 20 // UBLK_F_IO_DESC_SIZE
)

// FeatureInfo describes one bit for people.
type FeatureInfo struct {
	Flag  Features
	Name  string // the kernel's name without UBLK_F_
	Since string // first kernel where the flag has an effect
	About string
}

// featureTable is in bit order; names and first kernels come from include/uapi/linux/ublk_cmd.h and
// its history.
var featureTable = [...]FeatureInfo{
	{FeatureZeroCopy, "SUPPORT_ZERO_COPY", "6.15", "request pages can be registered as ring buffers"},
	{FeatureCompInTask, "URING_CMD_COMP_IN_TASK", "6.0", "requests are handed over as task work; always on"},
	{FeatureNeedGetData, "NEED_GET_DATA", "6.0", "write buffers are asked for one by one; not with USER_COPY"},
	{FeatureRecovery, "USER_RECOVERY", "6.1", "the disk outlives its server and waits for a new one"},
	{FeatureRecoveryReissue, "USER_RECOVERY_REISSUE", "6.1", "requests a dead server held are sent again to the next"},
	{FeatureUnprivileged, "UNPRIVILEGED_DEV", "6.3", "devices without CAP_SYS_ADMIN; never zoned ones"},
	{FeatureIoctlEncode, "CMD_IOCTL_ENCODE", "6.4", "commands are encoded like ioctls; always on"},
	{FeatureUserCopy, "USER_COPY", "6.5", "the server copies data by pread and pwrite; zoned devices need it"},
	{FeatureZoned, "ZONED", "6.6", "host-managed zoned devices"},
	{FeatureRecoveryFailIO, "USER_RECOVERY_FAIL_IO", "6.13", "requests fail while no server is there"},
	{FeatureUpdateSize, "UPDATE_SIZE", "6.16", "the size of a running device can change; not for zoned ones"},
	{FeatureAutoBufReg, "AUTO_BUF_REG", "6.16", "request pages are registered without a command"},
	{FeatureQuiesce, "QUIESCE", "6.16", "a running device can be handed to another server"},
	{FeaturePerIODaemon, "PER_IO_DAEMON", "6.16", "each tag belongs to the thread that fetched it"},
	{FeatureBufRegOffDaemon, "BUF_REG_OFF_DAEMON", "6.17", "any thread may register request pages"},
	{FeatureBatchIO, "BATCH_IO", "7.0", "requests are fetched and committed in batches"},
	{FeatureIntegrity, "INTEGRITY", "7.0", "integrity metadata reaches the server"},
	{FeatureSafeStop, "SAFE_STOP_DEV", "7.0", "stop only if nobody has the disk open"},
	{FeatureNoAutoPartScan, "NO_AUTO_PART_SCAN", "7.0", "no partition scan when the disk appears"},
	{FeatureShmemZeroCopy, "SHMEM_ZC", "7.1", "zero copy over registered shared memory"},
	{FeatureIODescSize, "IO_DESC_SIZE", "7.3", "the size of request descriptors can be chosen"},
}

// FeatureTable lists every feature known here, in bit order.
func FeatureTable() []FeatureInfo { return append([]FeatureInfo(nil), featureTable[:]...) }

// Has says whether all bits of want are in f.
func (f Features) Has(want Features) bool { return f&want == want }

// Missing is the part of want that f lacks.
func (f Features) Missing(want Features) Features { return want &^ f }

// Names lists the kernel's names of the set bits in bit order; a bit unknown here shows as BIT_n.
func (f Features) Names() []string {
	names := make([]string, 0, bits.OnesCount64(uint64(f)))
	for _, i := range featureTable {
		if f.Has(i.Flag) {
			names = append(names, i.Name)
			f &^= i.Flag
		}
	}
	for ; f != 0; f &= f - 1 {
		names = append(names, fmt.Sprintf("BIT_%d", bits.TrailingZeros64(uint64(f))))
	}
	return names
}

// String joins Names with '|', "none" if there are none.
func (f Features) String() string {
	if f == 0 {
		return "none"
	}
	return strings.Join(f.Names(), "|")
}

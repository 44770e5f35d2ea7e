// SPDX-License-Identifier: Apache-2.0

package uring

// Op is an IORING_OP_* operation code.
type Op uint8

// Operation codes used here, include/uapi/linux/io_uring.h.
const (
	OpFsync       Op = 3
	OpReadFixed   Op = 4
	OpWriteFixed  Op = 5
	OpAsyncCancel Op = 14
	OpRead        Op = 22
	OpWrite       Op = 23
	OpMsgRing     Op = 40
	OpURingCmd    Op = 46
)

// Flags of single operations.
const (
	fsyncDatasync = 1 << 0 // IORING_FSYNC_DATASYNC
)

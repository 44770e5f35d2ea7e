// SPDX-License-Identifier: Apache-2.0

package uring

// SetupFlags are the IORING_SETUP_* bits of io_uring_setup(2).
type SetupFlags uint32

// Setup flags, include/uapi/linux/io_uring.h.
const (
	SetupIOPoll       SetupFlags = 1 << 0  // IORING_SETUP_IOPOLL
	SetupCQSize       SetupFlags = 1 << 3  // IORING_SETUP_CQSIZE, set by New when Options.CQEntries is
	SetupClamp        SetupFlags = 1 << 4  // IORING_SETUP_CLAMP: cut entries to the kernel's limit
	SetupSubmitAll    SetupFlags = 1 << 7  // IORING_SETUP_SUBMIT_ALL: a bad SQE doesn't stop the batch (5.18)
	SetupCoopTaskrun  SetupFlags = 1 << 8  // IORING_SETUP_COOP_TASKRUN: no IPI for task work (5.19)
	SetupSQE128       SetupFlags = 1 << 10 // IORING_SETUP_SQE128 (5.19)
	SetupCQE32        SetupFlags = 1 << 11 // IORING_SETUP_CQE32, refused by New: this package reads 16-byte CQEs
	SetupSingleIssuer SetupFlags = 1 << 12 // IORING_SETUP_SINGLE_ISSUER (6.0)
	SetupDeferTaskrun SetupFlags = 1 << 13 // IORING_SETUP_DEFER_TASKRUN (6.1)
	SetupNoMmap       SetupFlags = 1 << 14 // IORING_SETUP_NO_MMAP, refused by New
	SetupNoSQArray    SetupFlags = 1 << 16 // IORING_SETUP_NO_SQARRAY (6.6)
)

// Features are the IORING_FEAT_* bits that io_uring_setup(2) answers.
type Features uint32

// Features, include/uapi/linux/io_uring.h. Linux 6.12 answers 0xffff, 7.3 answers 0x3ffff.
const (
	FeatSingleMmap Features = 1 << 0
	FeatNoDrop     Features = 1 << 1 // completions beyond the queue's size are kept, not lost
	FeatExtArg     Features = 1 << 8
)

// enterFlags are the IORING_ENTER_* bits.
const (
	enterGetEvents      = 1 << 0
	enterExtArg         = 1 << 3
	enterRegisteredRing = 1 << 4
)

// SQEFlags are the IOSQE_* bits of one SQE.
type SQEFlags uint8

// SQE flags, include/uapi/linux/io_uring.h.
const (
	FixedFile      SQEFlags = 1 << 0 // FD is an index of the registered files
	IOLink         SQEFlags = 1 << 2 // the next SQE starts when this one succeeded in full
	CQESkipSuccess SQEFlags = 1 << 6 // no CQE if it succeeds; if it fails its linked followers post none either
)

// Offsets of mmap(2) on the ring's descriptor.
const (
	offSQRing = 0
	offSQEs   = 0x10000000
)

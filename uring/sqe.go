// SPDX-License-Identifier: Apache-2.0

package uring

import "unsafe"

// SQEBytes is the size of a submission entry in bytes; rings made with SetupSQE128 have entries of
// twice that size.
const SQEBytes = 64

// CmdOffset is where the payload of a command (OpURingCmd) starts within an SQE, in bytes.
const CmdOffset = 48

// CmdBytes is the room for a command's payload in a 64-byte SQE, WideCmdBytes that of a 128-byte
// one.
const (
	CmdBytes     = SQEBytes - CmdOffset
	WideCmdBytes = 2*SQEBytes - CmdOffset
)

// SQE is struct io_uring_sqe (include/uapi/linux/io_uring.h), 64 bytes. Where the kernel has unions
// the field bears the name of its commonest use.
type SQE struct {
	Opcode      Op
	Flags       SQEFlags
	ioPrio      uint16
	FD          int32
	Off         uint64 // file offset in bytes; for a command its first four bytes are cmd_op
	Addr        uint64 // address of the buffer
	Len         uint32 // bytes
	OpFlags     uint32 // flags of the operation: rw_flags, fsync_flags, cancel_flags ..
	UserData    uint64 // comes back in the CQE
	BufIndex    uint16
	personality uint16
	fileIndex   int32
	Addr3       uint64 // CmdOffset: a command's payload begins here
	_           uint64
}

// Address is the number the kernel wants for buf. The buffer must be Mem (see the package's
// invariants).
func Address(buf []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(buf)))) }

// rw fills in a transfer of len(buf) bytes.
func (s *SQE) rw(op Op, fd int, buf []byte, off uint64) {
	s.Opcode, s.FD, s.Off = op, int32(fd), off
	s.Addr, s.Len = Address(buf), uint32(len(buf))
}

// Read makes s a pread of len(buf) bytes at offset off (bytes). The result is the count of bytes or
// -errno.
func (s *SQE) Read(fd int, buf []byte, off uint64) { s.rw(OpRead, fd, buf, off) }

// Write makes s a pwrite of len(buf) bytes at offset off (bytes). The result is the count of bytes
// or -errno.
func (s *SQE) Write(fd int, buf []byte, off uint64) { s.rw(OpWrite, fd, buf, off) }

// ReadFixed is Read into part of registered buffer index.
func (s *SQE) ReadFixed(fd int, buf []byte, off uint64, index uint16) {
	s.rw(OpReadFixed, fd, buf, off)
	s.BufIndex = index
}

// WriteFixed is Write from part of registered buffer index.
func (s *SQE) WriteFixed(fd int, buf []byte, off uint64, index uint16) {
	s.rw(OpWriteFixed, fd, buf, off)
	s.BufIndex = index
}

// ReadRegistered is a pread of n bytes at file offset off into byte at of a buffer that a driver
// has registered as index.
func (s *SQE) ReadRegistered(fd int, index uint16, at uint64, n uint32, off uint64) {
	s.Opcode, s.FD, s.Off, s.Addr, s.Len, s.BufIndex = OpReadFixed, int32(fd), off, at, n, index
}

// WriteRegistered is a pwrite of n bytes at file offset off from byte at of a buffer that a driver
// has registered as index.
func (s *SQE) WriteRegistered(fd int, index uint16, at uint64, n uint32, off uint64) {
	s.Opcode, s.FD, s.Off, s.Addr, s.Len, s.BufIndex = OpWriteFixed, int32(fd), off, at, n, index
}

// Datasync makes s an fdatasync of fd. The kernel runs it on a worker thread.
func (s *SQE) Datasync(fd int) { s.Opcode, s.FD, s.OpFlags = OpFsync, int32(fd), fsyncDatasync }

// Cancel makes s cancel the request submitted with userData. The result is 0, -ENOENT (not there
// any more) or -EALREADY (running on a worker, which has been signalled).
func (s *SQE) Cancel(userData uint64) { s.Opcode, s.FD, s.Addr = OpAsyncCancel, -1, userData }

// Message makes s post a CQE {userData, res} on the ring with descriptor ringFD.
func (s *SQE) Message(ringFD int, userData uint64, res uint32) {
	s.Opcode, s.FD, s.Off, s.Len = OpMsgRing, int32(ringFD), userData, res
}

// Command makes s the driver command op (an _IOWR-like number) on fd, with an empty payload.
func (s *SQE) Command(fd int, op uint32) {
	s.Opcode, s.FD = OpURingCmd, int32(fd)
	*(*uint32)(unsafe.Pointer(&s.Off)) = op
}

// Payload is the room for a command's payload within the 64 bytes.
func (s *SQE) Payload() *[CmdBytes]byte { return (*[CmdBytes]byte)(unsafe.Pointer(&s.Addr3)) }

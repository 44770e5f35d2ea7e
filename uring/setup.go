// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sqOffsets is struct io_sqring_offsets: where things lie in the mapped submission ring, bytes.
type sqOffsets struct {
	head, tail, mask, entries, flags, dropped, array, _ uint32
	_                                                   uint64
}

// cqOffsets is struct io_cqring_offsets.
type cqOffsets struct {
	head, tail, mask, entries, overflow, cqes, flags, _ uint32
	_                                                   uint64
}

// params is struct io_uring_params, 120 bytes.
type params struct {
	sqEntries, cqEntries uint32
	flags                SetupFlags
	threadCPU            uint32
	threadIdle           uint32
	features             Features
	wqFD                 uint32
	_                    [3]uint32
	sq                   sqOffsets
	cq                   cqOffsets
}

// setup is io_uring_setup(2). The kernel sets O_CLOEXEC on the descriptor itself.
func setup(entries uint32, p *params) (int, error) {
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	if e != 0 {
		return -1, setupError(e, entries, p.flags)
	}
	return int(fd), nil
}

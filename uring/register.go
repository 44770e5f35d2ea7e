// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Codes of io_uring_register(2), include/uapi/linux/io_uring.h.
const (
	registerFiles      = 2
	unregisterFiles    = 3
	registerBuffers2   = 15
	registerBuffersSet = 16 // IORING_REGISTER_BUFFERS_UPDATE
	registerRingFDs    = 20
	unregisterRingFDs  = 21

	rsrcSparse = 1 << 0 // IORING_RSRC_REGISTER_SPARSE
)

// register is io_uring_register(2); what names the action in the error.
func (r *Ring) register(what string, op uintptr, arg unsafe.Pointer, n int) (int, error) {
	v, _, e := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), op, uintptr(arg), uintptr(n), 0, 0)
	if e != 0 {
		return 0, fmt.Errorf("io_uring: %s: %w", what, e)
	}
	return int(v), nil
}

// RegisterFiles makes fds the ring's fixed files; SQEs name them by index with FixedFile. The ring
// holds its own reference to each until UnregisterFiles or Close.
func (r *Ring) RegisterFiles(fds []int32) error {
	_, err := r.register("register files", registerFiles, unsafe.Pointer(unsafe.SliceData(fds)), len(fds))
	return err
}

// UnregisterFiles drops the fixed files.
func (r *Ring) UnregisterFiles() error {
	_, err := r.register("unregister files", unregisterFiles, nil, 0)
	return err
}

// rsrcRegister is struct io_uring_rsrc_register.
type rsrcRegister struct {
	nr, flags        uint32
	_, data, tagsPtr uint64
}

// RegisterSparseBuffers makes an empty table of n fixed buffers, for drivers that fill it in
// themselves.
func (r *Ring) RegisterSparseBuffers(n uint32) error {
	arg := rsrcRegister{nr: n, flags: rsrcSparse}
	_, err := r.register("register sparse buffers", registerBuffers2, unsafe.Pointer(&arg), int(unsafe.Sizeof(arg)))
	return err
}

// rsrcUpdate is struct io_uring_rsrc_update2.
type rsrcUpdate struct {
	offset, _     uint32
	data, tagsPtr uint64
	nr, _         uint32
}

// SetBuffer pins buf, which must be Mem, as fixed buffer index of a table made by
// RegisterSparseBuffers.
func (r *Ring) SetBuffer(index uint32, buf []byte) error {
	// Its address goes to the kernel as a number: neither stack nor heap will do.
	vec := (*unix.Iovec)(unsafe.Pointer(&r.ext.Bytes()[extIovec]))
	vec.Base = unsafe.SliceData(buf)
	vec.SetLen(len(buf))
	arg := &rsrcUpdate{offset: index, data: uint64(uintptr(unsafe.Pointer(vec))), nr: 1}
	_, err := r.register("set a buffer", registerBuffersSet, unsafe.Pointer(arg), int(unsafe.Sizeof(*arg)))
	return err
}

// ringFDUpdate is struct io_uring_rsrc_update as the ring descriptor table takes it.
type ringFDUpdate struct {
	offset uint32
	_      uint32
	data   uint64
}

// RegisterRing puts the ring's descriptor into the calling thread's own table, which saves a
// reference count per enter. It must be undone on the same thread: UnregisterRing, or Close.
func (r *Ring) RegisterRing() error {
	arg := ringFDUpdate{offset: ^uint32(0), data: uint64(r.fd)}
	n, err := r.register("register ring descriptor", registerRingFDs, unsafe.Pointer(&arg), 1)
	if err != nil {
		return err
	}
	if n != 1 {
		return fmt.Errorf("io_uring: register ring descriptor: kernel took %d of 1", n)
	}
	r.enterFD, r.flags = uintptr(arg.offset), r.flags|enterRegisteredRing
	return nil
}

// UnregisterRing undoes RegisterRing.
func (r *Ring) UnregisterRing() error {
	arg := ringFDUpdate{offset: uint32(r.enterFD)}
	_, err := r.register("unregister ring descriptor", unregisterRingFDs, unsafe.Pointer(&arg), 1)
	r.enterFD, r.flags = uintptr(r.fd), r.flags&^enterRegisteredRing
	return err
}

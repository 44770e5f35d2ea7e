// SPDX-License-Identifier: Apache-2.0

package uring

import "unsafe"

// fixed is what a ring was told of beforehand, so that the kernel need not look it up for each
// submission.
type fixed struct {
	files    []int32 // by index
	low, top uintptr // addresses of memory whose pages are pinned
	index    uint16  // of the memory among the ring's buffers
}

// RegisterFixedFiles registers fds, those below 0 aside, as the ring's fixed files: PrepareRead and
// the like then name them by index. The ring holds its own reference to each until
// UnregisterFixedFiles or, in the kernel's own time, after Close.
func (r *Ring) RegisterFixedFiles(fds ...int) error {
	var files []int32
	for _, fd := range fds {
		if fd >= 0 {
			files = append(files, int32(fd))
		}
	}
	if err := r.RegisterFiles(files); err != nil {
		return err
	}
	r.fixed.files = files
	return nil
}

// UnregisterFixedFiles gives back at once what RegisterFixedFiles took. It must not be called while
// a submission that names one of them is in flight: the kernel would wait for it.
func (r *Ring) UnregisterFixedFiles() error {
	if r.fixed.files == nil {
		return nil
	}
	r.fixed.files = nil
	return r.UnregisterFiles()
}

// RegisterFixedBuffer pins mem, which must be Mem, as fixed buffer index of a table made by
// RegisterSparseBuffers: PrepareRead and PrepareWrite then spare buffers in it the walk through the
// page tables.
func (r *Ring) RegisterFixedBuffer(mem []byte, index uint16) error {
	if err := r.SetBuffer(uint32(index), mem); err != nil {
		return err
	}
	low := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	r.fixed.low, r.fixed.top, r.fixed.index = low, low+uintptr(len(mem)), index
	return nil
}

// holds says that buf lies in the memory the ring knows.
func (f *fixed) holds(buf []byte) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(buf)))
	return at >= f.low && at+uintptr(len(buf)) <= f.top
}

// PrepareRead makes s a pread of fd, by the shortest way the ring knows. See SQE.Read.
func (r *Ring) PrepareRead(s *SQE, fd int, buf []byte, off uint64) {
	if r.fixed.holds(buf) {
		s.ReadFixed(fd, buf, off, r.fixed.index)
	} else {
		s.Read(fd, buf, off)
	}
	r.UseFixedFile(s)
}

// PrepareWrite makes s a pwrite to fd, by the shortest way the ring knows. See SQE.Write.
func (r *Ring) PrepareWrite(s *SQE, fd int, buf []byte, off uint64) {
	if r.fixed.holds(buf) {
		s.WriteFixed(fd, buf, off, r.fixed.index)
	} else {
		s.Write(fd, buf, off)
	}
	r.UseFixedFile(s)
}

// UseFixedFile makes s, filled in for a descriptor, name it by its index, if it has one.
func (r *Ring) UseFixedFile(s *SQE) {
	for i, fd := range r.fixed.files {
		if fd == s.FD {
			s.FD, s.Flags = int32(i), s.Flags|FixedFile
			return
		}
	}
}

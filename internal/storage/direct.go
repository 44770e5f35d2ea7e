// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	SectorBytes    = 512
	maxProbedAlign = 4096
)

// openDirect adds the descriptor for direct I/O, unless the file can't do it.
func (f *OSFile) openDirect(o Options) error {
	// A disk is read all the time; when its image was read last is of no use.
	fd, err := openFd(f.path, o.mode()|unix.O_DIRECT|unix.O_NOATIME)
	if err == unix.EPERM { // not ours
		fd, err = openFd(f.path, o.mode()|unix.O_DIRECT)
	}
	if err == unix.EINVAL || err == unix.EOPNOTSUPP {
		return nil
	}
	if err != nil {
		return err
	}
	if f.direct, err = fd, f.adopt(fd, o); err != nil {
		return err
	}
	if f.inMemory() {
		f.align = 1 // a copy between pages
		return nil
	}
	if f.align = directAlign(fd); f.align == 0 {
		return closeFd(&f.direct)
	}
	return f.readAsAsked()
}

// readAsAsked keeps the kernel from reading ahead on the page-cache descriptor.
// Around what is read by it lies data that goes past the page cache: were both
// in one large folio, a write to the one would find it dirty from the other.
func (f *OSFile) readAsAsked() error {
	err := retry(func() error { return unix.Fadvise(f.fd, 0, 0, unix.FADV_RANDOM) })
	if err == unix.EINVAL || err == unix.ENOSYS {
		return nil // there is nothing to be kept from
	}
	return err
}

// adopt makes sure that both descriptors lead to the same file (the path may
// have been replaced in between) and puts the lock on the second too.
func (f *OSFile) adopt(fd int, o Options) error {
	if !sameFile(f.fd, fd) {
		return unix.ESTALE
	}
	if o.NoLock {
		return nil
	}
	return o.locks().copyTo(fd)
}

func sameFile(a, b int) bool {
	var sa, sb unix.Stat_t
	if unix.Fstat(a, &sa) != nil || unix.Fstat(b, &sb) != nil {
		return false
	}
	return sa.Dev == sb.Dev && sa.Ino == sb.Ino && sa.Rdev == sb.Rdev
}

// directAlign is the alignment in bytes direct I/O on fd needs, 0 if it can't
// be done. Kernels from 6.1 tell (STATX_DIOALIGN, include/uapi/linux/stat.h);
// older ones, and file systems that don't answer, are tried.
func directAlign(fd int) int {
	var st unix.Statx_t
	err := retry(func() error { return unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_DIOALIGN, &st) })
	if err != nil || st.Mask&unix.STATX_DIOALIGN == 0 {
		return probeAlign(fd)
	}
	if st.Dio_offset_align == 0 {
		return 0
	}
	return int(max(st.Dio_offset_align, st.Dio_mem_align, SectorBytes))
}

// probeAlign reads with growing alignment until the kernel agrees. Reads at
// the end of a file may succeed with any alignment, so a short file tells
// nothing and is taken for the worst case.
func probeAlign(fd int) int {
	buf := alignedBuffer(4 * maxProbedAlign)
	for align := SectorBytes; align < maxProbedAlign; align *= 2 {
		// Aligned to align and to nothing larger, in memory and in the file.
		n, err := unix.Pread(fd, buf[align:2*align], int64(align))
		if err == nil && n == align {
			return align
		}
	}
	if _, err := unix.Pread(fd, buf[:maxProbedAlign], 0); err != nil {
		return 0
	}
	return maxProbedAlign
}

// alignedBuffer returns n bytes at a multiple of twice the largest alignment
// probed.
func alignedBuffer(n int) []byte {
	const align = 2 * maxProbedAlign
	raw := make([]byte, n+align)
	skip := -uintptr(unsafe.Pointer(&raw[0])) & (align - 1)
	return raw[skip:][:n:n]
}

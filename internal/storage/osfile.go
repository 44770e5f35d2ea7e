// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OSFile is a File of the operating system: a regular file or a block device.
type OSFile struct {
	path     string
	kind     kind
	readOnly bool
	compare  Compare
	fd       int
	direct   int
	align    int
}

var _ File = (*OSFile)(nil)

// Path is the name the file was opened by.
func (f *OSFile) Path() string { return f.path }

// IsBlockDevice tells a device from a regular file.
func (f *OSFile) IsBlockDevice() bool { return f.kind == unix.S_IFBLK }

// Fd implements File.
func (f *OSFile) Fd() int { return f.fd }

// DirectFd implements File.
func (f *OSFile) DirectFd() int { return f.direct }

// DirectAlign implements File.
func (f *OSFile) DirectAlign() int { return f.align }

// ReadAt implements File.
func (f *OSFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := readAll(f.pread, p, off)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, f.failed("read", off, err)
}

// WriteAt implements File.
func (f *OSFile) WriteAt(p []byte, off int64) (int, error) {
	if f.readOnly {
		return 0, f.failed("write", off, ErrReadOnly)
	}
	n, err := writeAll(f.pwrite, p, off)
	if err != nil {
		return n, f.failed("write", off, err)
	}
	return n, nil
}

func (f *OSFile) pread(p []byte, off int64) (int, error)  { return unix.Pread(f.fd, p, off) }
func (f *OSFile) pwrite(p []byte, off int64) (int, error) { return unix.Pwrite(f.fd, p, off) }

func (f *OSFile) failed(op string, off int64, err error) error {
	return fmt.Errorf("%s %s at byte %d: %w", op, f.path, off, err)
}

// Size implements File.
func (f *OSFile) Size() (int64, error) {
	size, err := f.size()
	if err != nil {
		return 0, describe("size of", f.path, err)
	}
	return size, nil
}

func (f *OSFile) size() (int64, error) {
	if f.kind == unix.S_IFBLK {
		return deviceSize(f.fd)
	}
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(f.fd, &st) })
	return st.Size, err
}

// deviceSize asks for a block device's capacity in bytes (BLKGETSIZE64,
// include/uapi/linux/fs.h).
func deviceSize(fd int) (int64, error) {
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, errno
	}
	return int64(size), nil
}

// Truncate implements File. Growing a block device past its end is ENOSPC.
func (f *OSFile) Truncate(size int64) error {
	if err := f.truncate(size); err != nil {
		return f.failed("truncate", size, err)
	}
	return nil
}

func (f *OSFile) truncate(size int64) error {
	if err := CheckRange(size, 0); err != nil {
		return err
	}
	if f.readOnly {
		return ErrReadOnly
	}
	if f.kind != unix.S_IFBLK {
		return retry(func() error { return unix.Ftruncate(f.fd, size) })
	}
	have, err := deviceSize(f.fd)
	if err == nil && size > have {
		err = unix.ENOSPC
	}
	return err
}

// Datasync implements File.
func (f *OSFile) Datasync() error {
	if err := retry(func() error { return unix.Fdatasync(f.fd) }); err != nil {
		return describe("fdatasync", f.path, err)
	}
	return nil
}

// SeekData implements File. Where the kernel can't tell, all is data.
func (f *OSFile) SeekData(off int64) (int64, error) { return f.seek(off, unix.SEEK_DATA) }

// SeekHole implements File. Where the kernel can't tell, all is data.
func (f *OSFile) SeekHole(off int64) (int64, error) { return f.seek(off, unix.SEEK_HOLE) }

func (f *OSFile) seek(off int64, whence int) (int64, error) {
	if err := CheckRange(off, 0); err != nil {
		return 0, f.failed("seek", off, err)
	}
	at, err := unix.Seek(f.fd, off, whence)
	switch err {
	case nil:
		return at, nil
	case unix.ENXIO:
		return 0, io.EOF
	case unix.EINVAL, unix.EOPNOTSUPP:
		return f.allData(off, whence)
	}
	return 0, f.failed("seek", off, err)
}

// allData is the answer of a file without holes.
func (f *OSFile) allData(off int64, whence int) (int64, error) {
	size, err := f.Size()
	switch {
	case err != nil:
		return 0, err
	case off >= size:
		return 0, io.EOF
	case whence == unix.SEEK_HOLE:
		return size, nil
	}
	return off, nil
}

// Close implements File. It may be called again. The lock goes at once, whoever
// else in this process or in the kernel still refers to the file.
func (f *OSFile) Close() error {
	f.unlock()
	err := errors.Join(closeFd(&f.direct), closeFd(&f.fd))
	if err != nil {
		return describe("close", f.path, err)
	}
	return nil
}

// closeFd closes once; EINTR from close(2) on Linux means closed.
func closeFd(fd *int) error {
	if *fd < 0 {
		return nil
	}
	err := unix.Close(*fd)
	*fd = -1
	if err == unix.EINTR {
		return nil
	}
	return os.NewSyscallError("close", err)
}

// Is tells if path leads to this file.
func (f *OSFile) Is(path string) bool {
	var ours, theirs unix.Stat_t
	if unix.Fstat(f.fd, &ours) != nil || unix.Stat(path, &theirs) != nil {
		return false
	}
	if f.kind == unix.S_IFBLK && kind(theirs.Mode&unix.S_IFMT) == unix.S_IFBLK {
		return ours.Rdev == theirs.Rdev // device nodes of one disk differ in their inodes
	}
	return ours.Dev == theirs.Dev && ours.Ino == theirs.Ino
}

// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Options of Open.
type Options struct {
	ReadOnly bool

	// Direct asks for a second, O_DIRECT descriptor. A file that can't do
	// direct I/O opens all the same, with DirectFd -1. One in memory always
	// gets it if it can: both lead to the page cache there, and io_uring takes
	// a detour for the other one.
	Direct bool

	// NoLock opens without the image lock: for a look at an image somebody
	// else may be writing, whose contents can be inconsistent. Only together
	// with ReadOnly.
	NoLock bool

	// Compare is how much Settle takes care of what memory alone has.
	Compare Compare
}

// Open opens an existing regular file or block device (else *FileTypeError)
// and takes the image lock (else *InUseError).
func Open(path string, o Options) (*OSFile, error) {
	f, err := open(path, o, 0)
	if err != nil {
		return nil, describe("open", path, err)
	}
	return f, nil
}

func open(path string, o Options, flags int) (*OSFile, error) {
	if o.NoLock && !o.ReadOnly {
		return nil, errors.New("writing without the image lock is refused")
	}
	k, err := statKind(path)
	if err != nil {
		return nil, err
	}
	fd, err := openFd(path, o.mode()|o.exclusive(k)|flags)
	if err != nil {
		return nil, err
	}
	f := &OSFile{path: path, fd: fd, direct: -1, readOnly: o.ReadOnly, compare: o.Compare}
	if err := f.prepare(o); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (o Options) mode() int {
	if o.ReadOnly {
		return unix.O_RDONLY
	}
	return unix.O_RDWR
}

// exclusive claims a block device, so that one that is mounted or part of
// another device is refused.
func (o Options) exclusive(k kind) int {
	if k == unix.S_IFBLK && !o.ReadOnly {
		return unix.O_EXCL
	}
	return 0
}

func (o Options) locks() lockSet {
	if o.ReadOnly {
		return readerLocks
	}
	return writerLocks
}

// prepare checks what was opened, locks it and adds the direct descriptor.
func (f *OSFile) prepare(o Options) (err error) {
	if f.kind, err = fdKind(f.path, f.fd); err != nil {
		return err
	}
	if !o.NoLock {
		if err := f.lock(o.locks()); err != nil {
			return err
		}
	}
	if !o.Direct && !f.inMemory() {
		return nil
	}
	return f.openDirect(o)
}

// openFd opens without blocking, whatever the path has become since it was
// looked at; the flag is taken off again, since it also changes how a ring
// treats the descriptor.
func openFd(path string, flags int) (int, error) {
	fd := -1
	err := retry(func() (err error) {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return -1, openError(path, flags, err)
	}
	if flags&unix.O_DIRECT != 0 {
		return fd, nil
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags&^unix.O_EXCL); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func openError(path string, flags int, err error) error {
	if err == unix.EBUSY && flags&unix.O_EXCL != 0 {
		return &InUseError{Path: path, Holder: "the kernel (mounted, or part of another device)"}
	}
	return err
}

// describe puts operation and path in front of an error that doesn't name the
// file itself.
func describe(op, path string, err error) error {
	var inUse *InUseError
	var kind *FileTypeError
	if errors.As(err, &inUse) || errors.As(err, &kind) {
		return err
	}
	return fmt.Errorf("%s %s: %w", op, path, err)
}

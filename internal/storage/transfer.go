// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"io"

	"golang.org/x/sys/unix"
)

// transferFunc is pread(2) or pwrite(2) on some descriptor.
type transferFunc func(p []byte, off int64) (int, error)

// transferAll repeats fn until p is done. Nothing moved means the end of the
// file for a read and a device that takes no more for a write; atEnd says
// which error that is.
func transferAll(fn transferFunc, p []byte, off int64, atEnd error) (int, error) {
	if err := CheckRange(off, int64(len(p))); err != nil {
		return 0, err
	}
	done := 0
	for done < len(p) {
		n, err := fn(p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, err
		case n <= 0:
			return done, atEnd
		default:
			done += n
		}
	}
	return done, nil
}

// retry repeats fn while a signal interrupts it.
func retry(fn func() error) error {
	for {
		if err := fn(); err != unix.EINTR {
			return err
		}
	}
}

func readAll(fn transferFunc, p []byte, off int64) (int, error) {
	return transferAll(fn, p, off, io.EOF)
}

func writeAll(fn transferFunc, p []byte, off int64) (int, error) {
	return transferAll(fn, p, off, io.ErrShortWrite)
}

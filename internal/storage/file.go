// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"fmt"
)

// File is what an image is stored in. Offsets and lengths are bytes.
type File interface {
	// ReadAt fills p or returns an error; io.EOF, with the count of bytes
	// read, when the file ends before p is full.
	ReadAt(p []byte, off int64) (int, error)

	// WriteAt writes all of p or returns an error. The file grows as needed; a
	// gap left behind the old end reads as zeros.
	WriteAt(p []byte, off int64) (int, error)

	// Size is the file's length, or the capacity of a block device.
	Size() (int64, error)

	// Truncate sets the file's length. A block device accepts any size it can
	// hold and keeps its own.
	Truncate(size int64) error

	// Datasync returns when everything written before is durable, including
	// what was written through DirectFd and the length of the file. A failed
	// call is final: pages may have been marked clean without being written.
	Datasync() error

	// Settle makes what was written before durable, and then forgets what memory
	// holds of the file: reads after it show what the disk has. It comes before
	// anything is believed that somebody else may have left there, a daemon
	// whose last sync has failed, say. An error is ErrUnsettled, and told once:
	// what could not be written is lost then, and the next call may succeed.
	Settle() error

	// PunchHole makes n bytes from off read as zeros and gives back their
	// space; the length of the file stays. ErrNotSupported if the file can't
	// promise the zeros.
	PunchHole(off, n int64) error

	// Reserve takes the space of n bytes from off in advance, so that writing
	// there is quick and does not run out of it. Contents and length of the
	// file stay. ErrNotSupported if the file has no such thing.
	Reserve(off, n int64) error

	// SeekData is the first offset at or after off that may hold anything but
	// zeros, io.EOF if there is none.
	SeekData(off int64) (int64, error)

	// SeekHole is the first offset at or after off from which nothing is
	// stored and zeros are read, at most the end of the file; io.EOF behind that.
	SeekHole(off int64) (int64, error)

	// Fd is the page-cache descriptor, -1 if there is none.
	Fd() int

	// DirectFd is the O_DIRECT|O_NONBLOCK descriptor, -1 if there is none.
	DirectFd() int

	// DirectAlign is the alignment in bytes that memory, offset and length
	// need on DirectFd; 0 if there is none, 1 in memory.
	DirectAlign() int

	// Close releases descriptors and locks. No call may be under way.
	Close() error
}

var (
	// ErrNotSupported: the file can't do this with the promised outcome.
	ErrNotSupported = errors.New("not supported by this file")

	// ErrInUse: somebody else has the image open in a way that excludes ours.
	// The error found by errors.As is an *InUseError.
	ErrInUse = errors.New("image is in use")

	// ErrFileType: the path is neither a regular file nor a block device.
	ErrFileType = errors.New("not a regular file or block device")

	// ErrExists: Create found something at the path.
	ErrExists = errors.New("file exists")

	// ErrReadOnly: a modifying call on a file opened read-only.
	ErrReadOnly = errors.New("opened read-only")
)

// CheckRange refuses negative offsets and lengths and ranges that pass the
// largest offset.
func CheckRange(off, n int64) error {
	if off < 0 || n < 0 || off+n < 0 {
		return fmt.Errorf("range of %d bytes at byte %d is outside every file", n, off)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"math/rand/v2"
	"time"

	"golang.org/x/sys/unix"
)

// access is a set of things a process does with an image. The bit numbers are
// those of QEMU's lock bytes (seen in /proc/locks of a running QEMU).
type access uint8

const (
	accessRead      access = 1 << 0 // reads and relies on consistent contents
	accessWrite     access = 1 << 1
	accessWriteSame access = 1 << 2 // writes that change nothing a reader sees
	accessResize    access = 1 << 3
)

// First lock byte of what a process does, and of what it bears in nobody else.
const (
	usesBase   = 100
	deniesBase = 200
)

// lockSet is what an open image does and what it denies to others. It is held
// as read locks on one byte per bit: those never conflict with each other;
// conflicts are found by looking at the opposite bytes after one's own are
// set.
type lockSet struct {
	uses, denies access
}

var (
	writerLocks = lockSet{
		uses:   accessRead | accessWrite | accessWriteSame | accessResize,
		denies: accessWrite | accessResize,
	}
	readerLocks = lockSet{
		uses:   accessRead,
		denies: accessWrite | accessResize,
	}
)

// Two processes that set their bytes at the same time both see a conflict;
// random pauses let one of them win, and outlast the moment in which some
// tool only looks at the image.
const (
	lockAttempts = 8
	lockPause    = 20 * time.Millisecond
)

func (f *OSFile) lock(s lockSet) error {
	for attempt := 1; ; attempt++ {
		conflict, err := s.take(f.fd)
		if err != nil || conflict < 0 {
			return err
		}
		if attempt == lockAttempts {
			return inUse(f.path, f.fd, conflict)
		}
		s.release(f.fd)
		time.Sleep(rand.N(lockPause) + time.Millisecond)
	}
}

// unlock gives up whatever locks f has.
func (f *OSFile) unlock() {
	for _, fd := range []int{f.fd, f.direct} {
		if fd >= 0 {
			writerLocks.release(fd) // which has all bytes of a reader's, too
		}
	}
}

// take sets the bytes of s on fd and returns the first byte of somebody else
// that contradicts it, -1 if there is none.
func (s lockSet) take(fd int) (conflict int64, err error) {
	for _, at := range s.bytes() {
		err := setLock(fd, unix.F_RDLCK, at)
		if err == unix.EAGAIN || err == unix.EACCES {
			return at, nil
		}
		if err != nil {
			return -1, err
		}
	}
	for _, at := range s.opposites() {
		if held, err := lockHeld(fd, at); err != nil || held {
			return at, err
		}
	}
	return -1, nil
}

// copyTo sets the bytes of s on another descriptor of the same file without
// looking at others.
func (s lockSet) copyTo(fd int) error {
	for _, at := range s.bytes() {
		if err := setLock(fd, unix.F_RDLCK, at); err != nil {
			return err
		}
	}
	return nil
}

func (s lockSet) release(fd int) {
	for _, at := range s.bytes() {
		setLock(fd, unix.F_UNLCK, at)
	}
}

// bytes are those s holds.
func (s lockSet) bytes() []int64 {
	return append(s.uses.bytes(usesBase), s.denies.bytes(deniesBase)...)
}

// opposites are the bytes that contradict s when somebody else holds them.
func (s lockSet) opposites() []int64 {
	return append(s.uses.bytes(deniesBase), s.denies.bytes(usesBase)...)
}

func (a access) bytes(base int64) (at []int64) {
	for bit := range 8 {
		if a>>bit&1 != 0 {
			at = append(at, base+int64(bit))
		}
	}
	return at
}

func byteLock(kind int16, at int64) unix.Flock_t {
	return unix.Flock_t{Type: kind, Whence: unix.SEEK_SET, Start: at, Len: 1}
}

func setLock(fd int, kind int16, at int64) error {
	lk := byteLock(kind, at)
	return retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lk) })
}

// lockHeld tells if another file description holds any lock on a byte.
func lockHeld(fd int, at int64) (bool, error) {
	lk := byteLock(unix.F_WRLCK, at)
	err := retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lk) })
	return err == nil && lk.Type != unix.F_UNLCK, err
}

// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Compare says what Settle does about pages that memory holds of a file and that
// the disk may not have, although a sync succeeds: the kernel tells the error of
// a write in the background once, and whoever synced the file before, be it a
// process that was killed then or another program, may have been told it.
type Compare uint8

const (
	// CompareNot: they are dropped, and nobody misses them.
	CompareNot Compare = iota

	// ComparePossible: somebody goes on with what they showed. They must be what
	// the disk has, unless the disk can't be read past them.
	ComparePossible

	// CompareAlways: so, and that the disk can't be read past them is an error.
	CompareAlways
)

// compareCached is an error if memory shows what the disk does not have, and that
// matters to whoever opened f.
func (f *OSFile) compareCached() error {
	if f.compare == CompareNot {
		return nil
	}
	list, err := f.cached(comparedPiece)
	if err != nil || len(list) == 0 {
		return err
	}
	err = f.sameOnDisk(list)
	if errors.Is(err, errNoDirect) && f.compare == ComparePossible {
		return nil
	}
	return err
}

// piece is a part of a file, in bytes.
type piece struct{ off, n int64 }

// Pages are looked for in pieces of so many bytes: whether there are any, and to
// compare them.
const (
	cachedPiece   = 1 << 20
	comparedPiece = 64 << 10
)

// cached lists the pieces that have pages in memory, found in steps of so many
// bytes. Linux tells from 6.5 on; from an older one the promise to drop them is
// all there is.
func (f *OSFile) cached(step int64) ([]piece, error) {
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	list, err := f.cachedIn(nil, piece{0, (size + step - 1) / step * step}, step)
	if err == unix.ENOSYS || err == unix.EOPNOTSUPP {
		return nil, nil
	}
	return list, err
}

func (f *OSFile) cachedIn(list []piece, p piece, step int64) ([]piece, error) {
	if p.n == 0 {
		return list, nil
	}
	var st unix.Cachestat_t
	err := retry(func() error {
		return unix.Cachestat(uint(f.fd), &unix.CachestatRange{Off: uint64(p.off), Len: uint64(p.n)}, &st, 0)
	})
	switch {
	case err != nil || st.Cache == 0:
		return list, err
	case p.n <= step:
		return joined(list, p), nil
	}
	half := p.n / 2 / step * step
	if list, err = f.cachedIn(list, piece{p.off, half}, step); err != nil {
		return list, err
	}
	return f.cachedIn(list, piece{p.off + half, p.n - half}, step)
}

// joined is a list with one more piece, or with its last one longer: as much as is
// compared at once.
func joined(list []piece, p piece) []piece {
	if k := len(list) - 1; k >= 0 && list[k].off+list[k].n == p.off && list[k].n+p.n <= cachedPiece {
		list[k].n += p.n
		return list
	}
	return append(list, p)
}

var errNoDirect = errors.New("the disk can't be read past the pages that memory holds of it")

// sameOnDisk compares pieces in memory with what direct I/O reads.
func (f *OSFile) sameOnDisk(list []piece) error {
	fd, err := openFd(fmt.Sprintf("/proc/self/fd/%d", f.fd), unix.O_RDONLY|unix.O_DIRECT)
	if err == unix.EINVAL || err == unix.EOPNOTSUPP {
		return fmt.Errorf("%w: %w", errNoDirect, err)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f.compareWith(fd, list)
}

// compareWith is an error if pieces of the page cache are not what fd reads.
func (f *OSFile) compareWith(fd int, list []piece) error {
	disk, memory := alignedBuffer(cachedPiece), make([]byte, cachedPiece)
	for _, p := range list {
		n, err := readAll(f.pread, memory[:p.n], p.off)
		if err != nil && err != io.EOF {
			return err
		}
		m, err := readAll(func(b []byte, off int64) (int, error) { return unix.Pread(fd, b, off) }, disk[:p.n], p.off)
		if err != nil && err != io.EOF && m < n {
			return err
		}
		if n > m || !bytes.Equal(memory[:n], disk[:n]) {
			return fmt.Errorf("of the %d bytes at byte %d memory holds what the disk does not have", n, p.off)
		}
	}
	return nil
}

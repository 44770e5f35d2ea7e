package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// ErrUnsettled: what was written to a file earlier is not all on its disk. What
// reads showed of it can't be believed.
var ErrUnsettled = errors.New("what was written to it before is not all on the disk")

// SettleAll comes before anything is believed of an image that may be written to,
// or that is judged: the daemon before may have been killed or its last flush
// have failed, and what memory shows of its files need not be what the disk has.
// A leak freed, a reset completed or a mark taken away on the word of pages that
// are never written would stay when they are gone.
func SettleAll(files ...File) error {
	for _, f := range files {
		if f == nil {
			continue
		}
		if err := f.Settle(); err != nil {
			return fmt.Errorf("%w; mend the storage, then run zqublkd check", err)
		}
	}
	return nil
}

// settlePatience bounds the wait for pages that somebody is reading just now.
const settlePatience = 50 * time.Millisecond

// Settle implements File. Pages of a write that failed in the background count
// as clean: a sync succeeds without writing them, and they are read until memory
// runs short. So after the sync all pages go. Those that stay, because another
// program has mapped them or reads along, must hold what the disk holds.
func (f *OSFile) Settle() error {
	if err := f.settle(); err != nil {
		return fmt.Errorf("%s: %w: %w", f.path, ErrUnsettled, err)
	}
	return nil
}

func (f *OSFile) settle() error {
	if err := retry(func() error { return unix.Fdatasync(f.fd) }); err != nil {
		return fmt.Errorf("fdatasync: %w", err)
	}
	if f.kind != unix.S_IFBLK && f.inMemory() {
		return nil // its pages are the disk
	}
	for wait := time.Millisecond; ; wait *= 2 {
		if err := retry(func() error { return unix.Fadvise(f.fd, 0, 0, unix.FADV_DONTNEED) }); err != nil {
			return fmt.Errorf("drop its pages: %w", err)
		}
		left, err := f.cached()
		if err != nil || len(left) == 0 {
			return err
		}
		if wait > settlePatience {
			return f.sameOnDisk(left)
		}
		time.Sleep(wait)
	}
}

// piece is a part of a file, in bytes.
type piece struct{ off, n int64 }

const cachedPiece = 1 << 20 // bytes; pages are looked for in pieces of this size

// cached lists the pieces that have pages in memory. Linux tells from 6.5 on;
// from an older one, and from a sandbox whose list of system calls is older
// (EPERM), the promise to drop them is all there is.
func (f *OSFile) cached() ([]piece, error) {
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	list, err := f.cachedIn(nil, piece{0, (size + cachedPiece - 1) / cachedPiece * cachedPiece})
	if err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EPERM {
		return nil, nil
	}
	return list, err
}

func (f *OSFile) cachedIn(list []piece, p piece) ([]piece, error) {
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
	case p.n <= cachedPiece:
		return append(list, p), nil
	}
	half := p.n / 2 / cachedPiece * cachedPiece
	if list, err = f.cachedIn(list, piece{p.off, half}); err != nil {
		return list, err
	}
	return f.cachedIn(list, piece{p.off + half, p.n - half})
}

// sameOnDisk compares pieces in memory with what direct I/O reads.
func (f *OSFile) sameOnDisk(list []piece) error {
	fd, err := openFd(fmt.Sprintf("/proc/self/fd/%d", f.fd), unix.O_RDONLY|unix.O_DIRECT)
	if err != nil {
		return fmt.Errorf("pages of it stay in memory, another program has mapped them, and the disk can't be read past them: %w", err)
	}
	defer unix.Close(fd)
	return f.compare(fd, list)
}

// compare is an error if pieces of the page cache are not what fd reads.
func (f *OSFile) compare(fd int, list []piece) error {
	disk, memory := alignedBuffer(cachedPiece), make([]byte, cachedPiece)
	for _, p := range list {
		n, err := readAll(f.pread, memory, p.off)
		if err != nil && err != io.EOF {
			return err
		}
		m, err := readAll(func(b []byte, off int64) (int, error) { return unix.Pread(fd, b, off) }, disk, p.off)
		if err != nil && err != io.EOF && m < n {
			return err
		}
		if n > m || !bytes.Equal(memory[:n], disk[:n]) {
			return fmt.Errorf("of the %d bytes at byte %d another program keeps pages in memory that the disk does not have", n, p.off)
		}
	}
	return nil
}

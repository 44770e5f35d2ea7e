// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"errors"
	"fmt"
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
// program has mapped them or reads along, must hold what the disk holds; so must
// all of them before they go, if f was opened to Compare.
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
	if err := f.compareCached(); err != nil {
		return err
	}
	for wait := time.Millisecond; ; wait *= 2 {
		if err := retry(func() error { return unix.Fadvise(f.fd, 0, 0, unix.FADV_DONTNEED) }); err != nil {
			return fmt.Errorf("drop its pages: %w", err)
		}
		left, err := f.cached(cachedPiece)
		if err != nil || len(left) == 0 {
			return err
		}
		if wait > settlePatience {
			return f.sameOnDisk(left)
		}
		time.Sleep(wait)
	}
}

// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/ublk"
)

// judge opens what a power cut has left and holds it against the promises.
func (r *crashRun) judge(c crashState) error {
	mem := r.rec.Crash(c.n, c.survives)
	if err := r.judgeImage(mem, c.n); err != nil {
		return err
	}
	return r.judgeMem(mem, c.n)
}

// judgeMem is judge of a disk that the power left after n operations.
func (r *crashRun) judgeMem(mem *storagetest.Mem, n int) error {
	s, err := serveIn(r.t, mem, 1, 2)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	err = r.judgeDisk(s, r.at(n))
	if err := errors.Join(err, s.shut()); err != nil {
		return err
	}
	rep, err := soundAfterCrash(mem)
	if err == nil && rep.Leaks > 0 {
		err = fmt.Errorf("%d clusters leaked for good", rep.Leaks)
	}
	return err
}

// judgeImage runs the check. Space may be leaked if it was being taken or given
// back at the crash.
func (r *crashRun) judgeImage(mem *storagetest.Mem, n int) error {
	rep, err := soundAfterCrash(mem)
	if err == nil && rep.Leaks > 0 && r.idle[n] && len(r.rec.Pending(n)) == 0 {
		err = fmt.Errorf("%d clusters leaked while nothing was under way", rep.Leaks)
	}
	return err
}

// soundAfterCrash runs the check: a crash may leave leaks, never an error.
func soundAfterCrash(mem *storagetest.Mem) (*check.Report, error) {
	rep, err := check.Check(mem, check.Options{MaxFindings: 4})
	if err == nil && rep.Corruptions > 0 {
		var b bytes.Buffer
		rep.WriteText(&b)
		err = fmt.Errorf("check:\n%s", b.String())
	}
	return rep, err
}

func (r *crashRun) judgeDisk(s *sim, v view) error {
	if limit := s.disk.zones.Limits().MaxActive; limit > 0 && s.disk.zones.Active() > int(limit) {
		return fmt.Errorf("%d zones active, limit %d", s.disk.zones.Active(), limit)
	}
	for z := range r.geo.Zones() {
		judge := r.judgeSequential
		if r.geo.IsConventional(z) {
			judge = r.judgeConventional
		}
		if err := judge(s, v, z); err != nil {
			return fmt.Errorf("zone %d: %w", z, err)
		}
	}
	return nil
}

// above is how much is read above a write pointer.
const above = 256 << 10

func (r *crashRun) judgeSequential(s *sim, v view, z uint32) error {
	start, wp := r.geo.Start(z), s.disk.zones.State(z).WP
	if s.disk.img.HasCounters() {
		if err := v.judgeCounts(z, s.disk.zones.Counts(z)); err != nil {
			return err
		}
	}
	if !r.touched(z) {
		if wp != start {
			return fmt.Errorf("write pointer %d, but nothing was written", wp)
		}
		return nil
	}
	got, err := r.readUpTo(s, start, min(wp+above, start+r.geo.Length(z)))
	if err != nil {
		return err
	}
	if err := v.judgeZone(z, wp, got); err != nil {
		return err
	}
	return r.judgeStored(s, wp, min(wp+above, start+r.geo.Length(z)))
}

// judgeStored: nothing but zeros is stored above a write pointer, for readers that
// know no zones; nor does anything show there from below.
func (r *crashRun) judgeStored(s *sim, wp, end uint64) error {
	got := r.room(end - wp)
	if err := s.disk.img.ReadAt(got, wp); err != nil {
		return err
	}
	if i := firstNonZero(got); i >= 0 {
		return fmt.Errorf("byte %#x at %d is stored above the write pointer %d", got[i], wp+uint64(i), wp)
	}
	return nil
}

func (r *crashRun) judgeConventional(s *sim, v view, z uint32) error {
	got, err := r.readUpTo(s, r.geo.Start(z), r.geo.WritableEnd(z))
	if err != nil {
		return err
	}
	for at := uint64(0); at < uint64(len(got)); at += 512 {
		if err := v.judgeSector((r.geo.Start(z)+at)/512, got[at:at+512]); err != nil {
			return err
		}
	}
	return nil
}

// room is n bytes that hold anything: the same each time.
func (r *crashRun) room(n uint64) []byte {
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	return r.buf[:n]
}

// readUpTo reads the disk from start to end.
func (r *crashRun) readUpTo(s *sim, start, end uint64) ([]byte, error) {
	got := r.room(end - start)
	for off := start; off < end; {
		n := min(end-off, simMaxIO)
		if errno := s.do(ublk.OpRead, 0, off, uint32(n), got[off-start:][:n]).errno(); errno != unix.Errno(0) {
			return nil, fmt.Errorf("read at %d: %w", off, errno)
		}
		off += n
	}
	return got, nil
}

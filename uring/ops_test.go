// SPDX-License-Identifier: Apache-2.0

package uring

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// scratch is an open file with the given contents.
func scratch(t testing.TB, contents string) int {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(path, []byte(contents), 0o600))
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func fileIs(t testing.TB, fd int, want string) {
	t.Helper()
	b := make([]byte, len(want)+10)
	n, err := unix.Pread(fd, b, 0)
	must(t, err)
	if string(b[:n]) != want {
		t.Errorf("file holds %q, want %q", b[:n], want)
	}
}

func TestReadWrite(t *testing.T) {
	r := queueRing(t, 8)
	fd := scratch(t, "hello, world")
	buf := mem(t, 4096)
	r.Next().Read(fd, buf[:5], 7)
	if c := reap(t, r, 1)[0]; c.Res != 5 || string(buf[:5]) != "world" {
		t.Errorf("read %+v %q", c, buf[:5])
	}
	copy(buf, "HELLO")
	r.Next().Write(fd, buf[:5], 0)
	reap(t, r, 1)
	r.Next().Datasync(fd)
	if c := reap(t, r, 1)[0]; c.Res != 0 {
		t.Errorf("sync: %v", c.Errno())
	}
	fileIs(t, fd, "HELLO, world")
	r.Next().Read(-1, buf, 0)
	if c := reap(t, r, 1)[0]; c.Errno() != unix.EBADF {
		t.Errorf("read of no file: %+v", c)
	}
}

// chain queues reads of the given lengths from a file of 10 bytes, linked and silent but for the
// last.
func chain(r *Ring, fd int, buf []byte, lengths ...int) {
	for i, n := range lengths {
		s := r.Next()
		s.Read(fd, buf[:n], 0)
		s.UserData = uint64(i)
		if i < len(lengths)-1 {
			s.Flags = IOLink | CQESkipSuccess
		}
	}
}

// TestChainCompletesOnce checks what ublk's chains rest on: linked, skip-success SQEs yield one
// completion, that of the last or that of the first that failed. A short read counts as failed.
func TestChainCompletesOnce(t *testing.T) {
	for name, c := range map[string]struct {
		lengths []int
		bad     int // SQE whose file is closed, -1 none
		user    uint64
		res     int32
	}{
		"good":         {[]int{5, 6, 7}, -1, 2, 7},
		"first short":  {[]int{11, 5, 5}, -1, 0, 10},
		"second short": {[]int{5, 11, 5}, -1, 1, 10},
		"last short":   {[]int{5, 5, 11}, -1, 2, 10},
		"first bad":    {[]int{5, 5, 5}, 0, 0, -int32(unix.EBADF)},
		"second bad":   {[]int{5, 5, 5}, 1, 1, -int32(unix.EBADF)},
		"last bad":     {[]int{5, 5}, 1, 1, -int32(unix.EBADF)},
	} {
		t.Run(name, func(t *testing.T) {
			r := queueRing(t, 8)
			fd := scratch(t, "0123456789")
			chain(r, fd, mem(t, 64), c.lengths...)
			if c.bad >= 0 {
				r.at(r.sq.tail - uint32(len(c.lengths)-c.bad)).FD = -1
			}
			if got := reap(t, r, 1)[0]; got.UserData != c.user || got.Res != c.res {
				t.Errorf("completion %+v, want SQE %d with %d", got, c.user, c.res)
			}
		})
	}
}

// TestBadOperationInChain has the kernel refuse an SQE before it runs anything: the chain still
// completes once.
func TestBadOperationInChain(t *testing.T) {
	r := queueRing(t, 8)
	fd := scratch(t, "0123456789")
	chain(r, fd, mem(t, 64), 5, 5, 5)
	r.at(r.sq.tail - 2).Opcode = 255
	if got := reap(t, r, 1)[0]; got.Res >= 0 {
		t.Errorf("completion %+v", got)
	}
}

func TestEnterTimeout(t *testing.T) {
	r := queueRing(t, 8)
	begin := time.Now()
	if !quiet(t, r, 30*time.Millisecond) || time.Since(begin) < 30*time.Millisecond {
		t.Errorf("enter with a limit ended after %v", time.Since(begin))
	}
	ts := Timespec{1, 1}
	if ts.Set(-time.Second); ts != (Timespec{}) {
		t.Errorf("negative duration became %+v", ts)
	}
}

// silent is a descriptor that is never readable.
func silent(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestCancel(t *testing.T) {
	r := queueRing(t, 8)
	m, err := NewMem(64)
	must(t, err)
	defer m.Free()
	fd := silent(t)
	s := r.Next()
	s.Read(fd, m.Bytes()[:8], 0)
	s.UserData = 3
	s = r.Next()
	s.Cancel(3)
	s.UserData = 4
	if got := results(reap(t, r, 2)); got[3] != -int32(unix.ECANCELED) || got[4] != 0 {
		t.Errorf("cancel: %v", got)
	}
	r.Next().Cancel(99)
	if c := reap(t, r, 1)[0]; c.Errno() != unix.ENOENT {
		t.Errorf("cancel of nothing: %+v", c)
	}
}

func TestMessage(t *testing.T) {
	from, to := newRing(t, Options{Entries: 4}), newRing(t, Options{Entries: 4})
	from.Next().Message(to.FD(), 0x1234, 56)
	if c := reap(t, from, 1)[0]; c.Res != 0 {
		t.Fatalf("message: %v", c.Errno())
	}
	if c := reap(t, to, 1)[0]; c.UserData != 0x1234 || c.Res != 56 {
		t.Errorf("received %+v", c)
	}
}

func TestFixedFilesAndBuffers(t *testing.T) {
	r := queueRing(t, 8)
	fd := scratch(t, "0123456789")
	must(t, r.RegisterFiles([]int32{-1, int32(fd)}))
	buf := mem(t, 8192)
	must(t, r.RegisterSparseBuffers(64))
	must(t, r.SetBuffer(0, buf[:4096]))
	must(t, r.SetBuffer(1, buf[4096:]))
	s := r.Next()
	s.ReadFixed(1, buf[4096:4100], 3, 1)
	s.Flags = FixedFile
	if c := reap(t, r, 1)[0]; c.Res != 4 || !bytes.Equal(buf[4096:4100], []byte("3456")) {
		t.Errorf("fixed read: %+v %q", c, buf[4096:4100])
	}
	s = r.Next()
	s.WriteFixed(1, buf[4096:4100], 0, 1)
	s.Flags = FixedFile
	reap(t, r, 1)
	fileIs(t, fd, "3456456789")
	r.Next().ReadFixed(fd, buf[:4], 0, 1) // outside buffer 1
	if c := reap(t, r, 1)[0]; c.Errno() != unix.EFAULT {
		t.Errorf("read outside the buffer: %+v", c)
	}
	must(t, r.UnregisterFiles())
	must(t, r.SetBuffer(63, buf[:4096]))
	r.Next().ReadFixed(fd, buf[8:12], 6, 63)
	if c := reap(t, r, 1)[0]; c.Res != 4 || string(buf[8:12]) != "6789" {
		t.Errorf("read into a buffer set later: %+v %q", c, buf[8:12])
	}
	r.Next().ReadFixed(fd, buf[:4], 0, 62)
	if c := reap(t, r, 1)[0]; c.Errno() != unix.EFAULT {
		t.Errorf("read into a buffer not set: %+v", c)
	}
	if r.SetBuffer(64, buf[:4096]) == nil {
		t.Error("set a buffer beyond the table")
	}
	if err := r.UnregisterFiles(); err == nil {
		t.Error("unregistered files twice")
	}
}

// TestKnown moves data by the ring's shortest way, with more and more of it known.
func TestKnown(t *testing.T) {
	r := queueRing(t, 8)
	fd, other := scratch(t, "0123456789"), scratch(t, "abcdefghij")
	buf := mem(t, 8192)
	must(t, r.RegisterSparseBuffers(3))
	rounds := []struct {
		name   string
		know   func() error
		fixed  bool // the first file is named by index
		opcode Op   // of a read into the first page
	}{
		{"nothing", func() error { return nil }, false, OpRead},
		{"files", func() error { return r.RegisterFixedFiles(-1, fd) }, true, OpRead},
		{"files and memory", func() error { return r.RegisterFixedBuffer(buf[:4096], 2) }, true, OpReadFixed},
		{"memory", r.UnregisterFixedFiles, false, OpReadFixed},
		{"files not known are forgotten", r.UnregisterFixedFiles, false, OpReadFixed},
	}
	for _, c := range rounds {
		must(t, c.know())
		s := r.Next()
		r.PrepareRead(s, fd, buf[:4], 3)
		if s.Opcode != c.opcode || s.Flags&FixedFile != 0 != c.fixed {
			t.Errorf("%s: prepared %+v", c.name, s)
		}
		reap(t, r, 1)
		r.PrepareRead(r.Next(), other, buf[4094:4098], 0) // passes the end of the known memory
		reap(t, r, 1)
		if got := string(buf[:4]) + string(buf[4094:4098]); got != "3456abcd" {
			t.Errorf("%s: read %q", c.name, got)
		}
		copy(buf, "3456")
		r.PrepareWrite(r.Next(), fd, buf[:4], 3)
		reap(t, r, 1)
		fileIs(t, fd, "0123456789")
		clear(buf)
	}
}

func TestRegisteredRing(t *testing.T) {
	r := queueRing(t, 8)
	must(t, r.RegisterRing())
	for range 3 {
		r.Next()
		reap(t, r, 1)
	}
	must(t, r.UnregisterRing())
	r.Next()
	reap(t, r, 1)
	must(t, r.RegisterRing()) // left for Close
}

func TestMem(t *testing.T) {
	m, err := NewMem(5000)
	must(t, err)
	b := m.Bytes()
	if len(b) != 8192 || Address(b)%4096 != 0 {
		t.Errorf("%d bytes at %#x", len(b), Address(b))
	}
	for i, v := range b {
		if v != 0 {
			t.Fatalf("byte %d is %d", i, v)
		}
	}
	must(t, m.Free())
	must(t, m.Free())
	if m.Bytes() != nil {
		t.Error("memory can be had after Free")
	}
	for _, n := range []int{0, -1} {
		if _, err := NewMem(n); err == nil {
			t.Errorf("%d bytes were mapped", n)
		}
	}
}

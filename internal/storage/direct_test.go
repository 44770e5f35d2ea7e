// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestDirect uses the work directory as well as the temporary one, since the
// latter may be a tmpfs that has no direct I/O.
func TestDirect(t *testing.T) {
	for _, dir := range []string{t.TempDir(), "."} {
		t.Run(dir, func(t *testing.T) { testDirect(t, dir) })
	}
}

func testDirect(t *testing.T, dir string) {
	tmp, err := os.CreateTemp(dir, "direct-*.test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(tmp.Name())
	tmp.Close()
	f, err := Open(tmp.Name(), Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if (f.DirectFd() < 0) != (f.DirectAlign() == 0) {
		t.Fatalf("descriptor %d with alignment %d", f.DirectFd(), f.DirectAlign())
	}
	if f.DirectFd() < 0 {
		t.Logf("%s has no direct I/O", dir)
		return
	}
	flags, err := unix.FcntlInt(uintptr(f.DirectFd()), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_DIRECT == 0 || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("direct flags %#x, %v", flags, err)
	}
	if flags, _ := unix.FcntlInt(uintptr(f.Fd()), unix.F_GETFL, 0); flags&(unix.O_DIRECT|unix.O_NONBLOCK) != 0 {
		t.Errorf("page-cache flags %#x", flags)
	}
	align := max(f.DirectAlign(), SectorBytes)
	buf := alignedBuffer(2 * maxProbedAlign)[align : 2*align]
	copy(buf, "direct")
	if n, err := unix.Pwrite(f.DirectFd(), buf, int64(align)); n != align || err != nil {
		t.Fatalf("direct write with the reported alignment %d: %d, %v", align, n, err)
	}
	mustRead(t, f, int64(align), "direct")
}

func TestProbedAlignWorks(t *testing.T) {
	f := create(t)
	g, err := openFd(f.Path(), unix.O_RDWR|unix.O_DIRECT)
	if err != nil {
		t.Logf("no direct I/O here: %v", err)
		return
	}
	defer unix.Close(g)
	if got := probeAlign(g); got != maxProbedAlign {
		t.Errorf("an empty file gives %d, want the worst case", got)
	}
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	if got, told := probeAlign(g), directAlign(g); told == 0 || got > told {
		t.Errorf("probed %d, told %d", got, told)
	}
}

func TestAlignedBuffer(t *testing.T) {
	for _, n := range []int{1, 511, 4096, 100000} {
		p := alignedBuffer(n)
		if len(p) != n || uintptr(unsafe.Pointer(&p[0]))%(2*maxProbedAlign) != 0 {
			t.Errorf("%d bytes at %p", len(p), &p[0])
		}
	}
}

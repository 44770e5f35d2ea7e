// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"bytes"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"zqublkd/qcow2"
	"zqublkd/ublk"
)

// TestPass: data that goes by registered pages is the same as data that is
// copied, also when the pages fail in part or wholly.
func TestPass(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(n int) (int, error)
		want bool // whole transfers happen
	}{
		{"all goes through", func(n int) (int, error) { return n, nil }, true},
		{"short ones", func(n int) (int, error) { return n / 2, nil }, false},
		{"refused", func(int) (int, error) { return 0, unix.EINVAL }, false},
		{"now so, now so", func(n int) (int, error) {
			if rand.IntN(2) == 0 {
				return n, nil
			}
			return rand.IntN(n), nil
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newImage(t, qcow2.CreateOptions{Size: 64 << 20, Zone: &qcow2.ZoneOptions{Size: 8 << 20, Conventional: 1}})
			s := newSim(t, path, 1, 8)
			var whole atomic.Int32
			s.queues[0].pages = func(n int) (int, error) {
				most, err := c.of(n)
				if err == nil && most == n {
					whole.Add(1)
				}
				return most, err
			}
			passThrough(t, s)
			if got := whole.Load() > 0; got != c.want {
				t.Errorf("%d whole transfers by pages", whole.Load())
			}
			s.close()
			checkImage(t, path)
		})
	}
}

// passThrough writes conventionally, in sequence and by append, and reads all
// of it.
func passThrough(t *testing.T, s *sim) {
	t.Helper()
	if !s.disk.Direct() {
		t.Fatal("the test's folder takes no direct I/O")
	}
	block := func() []byte {
		b := make([]byte, 64<<10)
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		return b
	}
	same := func(off uint64, want []byte) {
		t.Helper()
		got, errno := s.read(off, len(want))
		if errno != 0 || !bytes.Equal(got, want) {
			t.Fatalf("read at %d: errno %v, equal %v", off, errno, bytes.Equal(got, want))
		}
	}
	for i := range uint64(16) {
		a, b, c := block(), block(), block()
		if e := s.write(i<<16, a); e != 0 {
			t.Fatal(e)
		}
		if e := s.write(8<<20+i<<16, b); e != 0 {
			t.Fatal(e)
		}
		at, e := s.append(16<<20, c)
		if e != 0 || at != 16<<20+i<<16 {
			t.Fatalf("append: errno %v at %d", e, at)
		}
		same(i<<16, a)
		same(8<<20+i<<16, b)
		same(at, c)
		same(8<<20+i<<16+60<<10, append(b[60<<10:], make([]byte, 4<<10)...)) // across the write pointer
	}
	if a := s.do(ublk.OpWrite, ublk.FlagFUA, 8<<20+16<<16, 4096, make([]byte, 4096)); a.res != 4096 {
		t.Fatal(a.errno())
	}
}

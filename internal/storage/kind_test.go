// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCacheBlock(t *testing.T) {
	f := create(t)
	if n := cacheBlock(f.Fd()); n < 4096 || n&(n-1) != 0 {
		t.Errorf("%d", n)
	}
	if n := cacheBlock(-1); n != uint64(unix.Getpagesize()) {
		t.Errorf("of nothing: %d", n)
	}
}

// TestC16_DeviceIsNotInMemory: the node of a block device lies in devtmpfs, and
// only what asked for direct I/O gets it.
func TestC16_DeviceIsNotInMemory(t *testing.T) {
	dev := loopDevice(t)
	for _, direct := range []bool{false, true} {
		f, err := Open(dev, Options{Direct: direct})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.DirectFd() >= 0; got != direct {
			t.Errorf("asked for direct I/O: %v, got it: %v", direct, got)
		}
		if f.inMemory() {
			t.Error("a device is taken for a file in memory")
		}
		f.Close()
	}
}

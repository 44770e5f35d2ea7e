// SPDX-License-Identifier: Apache-2.0

package qcow2

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zqublkd/internal/storage/storagetest"
	"zqublkd/qcow2/check"
	"zqublkd/qcow2/qcow2test"
)

// panicFile is a file whose nth write or barrier panics.
type panicFile struct {
	*storagetest.Mem
	writes, syncs int // calls left until one panics; 0: none does
}

func countdown(n *int) {
	if *n > 0 {
		if *n--; *n == 0 {
			panic("planted")
		}
	}
}

func (f *panicFile) WriteAt(p []byte, off int64) (int, error) {
	countdown(&f.writes)
	return f.Mem.WriteAt(p, off)
}

func (f *panicFile) Datasync() error {
	countdown(&f.syncs)
	return f.Mem.Datasync()
}

// TestC12_PanicInPlacement: whichever write or barrier panics, the one request
// fails. Image.mu is free and nothing stays in flight: requests about the same
// and other clusters return, and succeed unless metadata or a barrier was hit,
// which is final. What the file holds has no error.
func TestC12_PanicInPlacement(t *testing.T) {
	final, oneRequest := 0, 0
	for nth := 1; nth <= 12; nth++ {
		for _, f := range []*panicFile{{writes: nth}, {syncs: nth}} {
			t.Run(fmt.Sprintf("write %d, barrier %d", f.writes, f.syncs), func(t *testing.T) {
				switch err := panicsOnce(t, f); {
				case err == nil:
				case errors.Is(err, ErrFailed):
					final++
				default:
					oneRequest++
				}
			})
		}
	}
	if final == 0 || oneRequest == 0 {
		t.Errorf("%d panics were final and %d cost one request: the test tests nothing", final, oneRequest)
	}
}

// errPanic is a request that has panicked, as its server sees it.
var errPanic = errors.New("panic")

// panicsOnce returns what became of the request that met the panic.
func panicsOnce(t *testing.T, f *panicFile) (met error) {
	f.Mem = storagetest.NewMem(nil)
	writes, syncs := f.writes, f.syncs
	f.writes, f.syncs = 0, 0
	if err := Create(f, CreateOptions{Size: 1 << 20, ClusterSize: 4096}); err != nil {
		t.Fatal(err)
	}
	img, err := Open(f, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.writes, f.syncs = writes, syncs
	request := func(do func() error) {
		ended := make(chan error, 1)
		go func() {
			defer func() {
				if v := recover(); v != nil {
					ended <- errPanic
				}
			}()
			ended <- do()
		}()
		select {
		case err := <-ended:
			if met == nil {
				met = err
			} else if img.Failed() == nil && err != nil {
				t.Errorf("after the one that failed, another request: %v", err)
			}
		case <-time.After(time.Minute):
			t.Fatal("a request hangs")
		}
	}
	for k := range uint64(4) {
		request(func() error { return img.WriteAt(qcow2test.Pattern(k, 5000), k*300<<10) })
		request(func() error { return img.WriteAt(qcow2test.Pattern(k, 5000), k*300<<10) })
		request(func() error { return img.MakeZero(k*300<<10, 4096) })
		request(img.Sync)
	}
	if img.Failed() != nil {
		met = img.Failed()
	}
	img.Close()
	f.writes, f.syncs = 0, 0
	r, err := check.Check(f, check.Options{Repair: check.RepairLeaks})
	if err != nil || r.Corruptions > 0 {
		t.Errorf("after the panic: %v, %+v", err, r)
	}
	return met
}

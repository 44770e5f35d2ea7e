// SPDX-License-Identifier: Apache-2.0

package storagetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"zqublkd/internal/storage"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What waits at a failed sync stays pending for good.
func TestPendingAfterFailedSync(t *testing.T) {
	r := NewRecorder(new(Mem))
	mustWrite(t, r, "a", 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	r.Datasync()
	mustWrite(t, r, "b", 0)
	r.Datasync()
	if diff := cmp.Diff([]int{0}, r.Pending(r.Len())); diff != "" {
		t.Error(diff)
	}
	if n := r.Calls(OpSync); n != 2 {
		t.Errorf("%d syncs counted", n)
	}
}

// After a failed sync, reads show what was written, the disk has what it got, and
// later syncs change nothing about that. Settle makes reads show the disk.
func TestC02_SettleShowsTheDisk(t *testing.T) {
	r := NewRecorder(NewMem([]byte(sectors(".", 4))))
	mustWrite(t, r, sectors("a", 2), 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	if err := r.Datasync(); err != unix.EIO {
		t.Fatal(err)
	}
	mustWrite(t, r, sectors("b", 1), 3*storage.SectorBytes)
	if err := r.Datasync(); err != nil {
		t.Fatal(err)
	}
	mustRead(t, r, 0, sectors("a", 2)+"."+sectors(".", 1)[1:]+sectors("b", 1))
	r.Lose(TornOff(0, 1))
	if err := r.Settle(); err != nil {
		t.Fatal(err)
	}
	if got := short(r.file); got != "a..b" {
		t.Errorf("settled: %s, want a..b", got)
	}
	n := r.Len()
	mustWrite(t, r, sectors("c", 1), 0)
	for _, c := range []struct {
		n        int
		survives Survives
		want     string
	}{{n - 1, All, "aa.b"}, {n - 1, None, "...b"}, {n, None, "a..b"}, {n + 1, None, "a..b"}, {n + 1, All, "c..b"}} {
		if got := short(r.Crash(c.n, c.survives)); got != c.want {
			t.Errorf("crash after %d of %d operations: %s, want %s", c.n, r.Len(), got, c.want)
		}
	}
	if diff := cmp.Diff([]int{n}, r.Pending(n+1)); diff != "" {
		t.Error(diff)
	}
}

func TestSettleFails(t *testing.T) {
	r := NewRecorder(new(Mem))
	mustWrite(t, r, sectors("a", 1), 0)
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	if err := r.Settle(); !errors.Is(err, storage.ErrUnsettled) || !errors.Is(err, unix.EIO) {
		t.Errorf("settle: %v", err)
	}
	if got := short(r.file); got != "a" {
		t.Errorf("%q: dropped though the error was told", got)
	}
	if err := r.Settle(); err != nil || short(r.file) != "" {
		t.Errorf("the second time: %v, %q", err, short(r.file))
	}
}

// Each page has what was done to it up to one moment: writes that span pages are
// there in any of them.
func TestPagedKeepsPagesWhole(t *testing.T) {
	r := NewRecorder(new(Mem))
	for k := range 4 {
		mustWrite(t, r, strings.Repeat(string(rune('a'+k)), 3*memPage), 0)
	}
	states := map[string]bool{}
	for seed := range uint64(2000) {
		m := r.Crash(4, r.Paged(4, seed)).Bytes()
		state := ""
		for page := range int64(3) {
			b := append(m, make([]byte, 3*memPage)...)[page*memPage:][:memPage]
			if bytes.Count(b, b[:1]) != memPage {
				t.Fatalf("seed %d: page %d is torn", seed, page)
			}
			state += string(rune(max(b[0], '0')))
		}
		states[state] = true
	}
	if len(states) != 5*5*5 {
		t.Errorf("%d states of 125", len(states))
	}
}

// A page that is written both ways at a time stays as the page cache has it: the
// direct write is gone, and the next sync fails or says nothing.
func TestCollision(t *testing.T) {
	for _, silent := range []bool{false, true} {
		r := NewRecorder(NewMem([]byte(strings.Repeat(".", 2*memPage))))
		r.PassCache(storage.SectorBytes, silent)
		r.Pause(func(k OpKind) {
			if k == OpDirect {
				mustWrite(t, r, "cached", 0)
			}
		})
		direct := strings.Repeat("d", memPage)
		if n, err := r.WriteDirect([]byte(direct), storage.SectorBytes); n != memPage || err != nil {
			t.Fatal(n, err)
		}
		if err := r.Datasync(); (err != nil) == silent {
			t.Errorf("silent %v: sync: %v", silent, err)
		}
		// The first page is the older one, the second has what was written directly.
		mustRead(t, r, 0, "cached..")
		mustRead(t, r, memPage-1, ".d")
		r.Pause(nil)
		if _, err := r.WriteDirect([]byte(direct), 0); err != nil || r.Datasync() != nil {
			t.Errorf("without a collision: %v", err)
		}
		mustRead(t, r, 0, "dd")
	}
}

func TestFailedSyncCoversNothingLater(t *testing.T) {
	r := NewRecorder(new(Mem))
	r.Inject(Fault{Kind: OpSync, Nth: 1, Err: unix.EIO})
	mustWrite(t, r, sectors("a", 1), 0)
	if err := r.Datasync(); err != unix.EIO {
		t.Fatalf("sync: %v", err)
	}
	mustWrite(t, r, sectors("b", 1), storage.SectorBytes)
	if err := r.Datasync(); err != nil {
		t.Fatal(err)
	}
	if got := short(r.Crash(r.Len(), None)); got != "0b" {
		t.Errorf("%s, want 0b: what waited at the failed sync may be lost", got)
	}
}
